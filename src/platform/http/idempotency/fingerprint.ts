import { createHash } from 'node:crypto';

/** The same for two requests that ask for the same: taken from what was parsed, whatever the order of its keys. */
export function fingerprintOf(method: string, path: string, body: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([method, path, inOrder(body)]))
    .digest('hex');
}

/** Bodies are bounded in depth before this sees them. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { pairs: entries.map(([key, inner]) => [key, inOrder(inner)]) };
}
