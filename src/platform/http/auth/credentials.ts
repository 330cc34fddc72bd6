/** What a request shows to say who it comes from. `ambiguous`: more than one thing, or one that is no key at all. */
export type Credentials =
  { readonly kind: 'none' } | { readonly kind: 'key'; readonly key: string } | { readonly kind: 'ambiguous' };

const BEARER = /^Bearer +([^\s]+)$/i;
/** No key is longer; what is longer is not worth looking at. */
const MAX_LENGTH = 256;

/** @param rawHeaders names and values in turn: Node itself drops the second of two Authorization headers. */
export function credentialsIn(rawHeaders: readonly string[]): Credentials {
  const bearers = valuesOf(rawHeaders, 'authorization');
  const keys = valuesOf(rawHeaders, 'x-api-key');
  if (bearers.length + keys.length === 0) return { kind: 'none' };
  if (bearers.length > 1 || keys.length > 1) return { kind: 'ambiguous' };
  const shown = [...bearers.map((value) => BEARER.exec(value.trim())?.[1] ?? ''), ...keys.map((value) => value.trim())];
  const [key = ''] = shown;
  const isOneKey = key !== '' && key.length <= MAX_LENGTH && shown.every((other) => other === key);
  return isOneKey ? { kind: 'key', key } : { kind: 'ambiguous' };
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}
