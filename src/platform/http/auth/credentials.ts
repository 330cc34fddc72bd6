/** What a request shows to say who it comes from. `ambiguous`: more than one thing, or one that is no key at all. */
export type Credentials =
  { readonly kind: 'none' } | { readonly kind: 'key'; readonly key: string } | { readonly kind: 'ambiguous' };

const AUTHORIZATION = 'authorization';
const API_KEY = 'x-api-key';
const BEARER = /^Bearer +([^\s]+)$/i;
/** No key is longer; what is longer is not worth looking at. */
const MAX_LENGTH = 256;

/** @param rawHeaders names and values in turn: Node itself drops the second of two Authorization headers. */
export function credentialsIn(rawHeaders: readonly string[]): Credentials {
  const bearers = valuesOf(rawHeaders, AUTHORIZATION);
  const keys = valuesOf(rawHeaders, API_KEY);
  if (bearers.length + keys.length === 0) return { kind: 'none' };
  if (bearers.length > 1 || keys.length > 1) return { kind: 'ambiguous' };
  const shown = [...bearers.map((value) => BEARER.exec(value.trim())?.[1] ?? ''), ...keys.map((value) => value.trim())];
  const [key = ''] = shown;
  const isOneKey = key !== '' && key.length <= MAX_LENGTH && shown.every((other) => other === key);
  return isOneKey ? { kind: 'key', key } : { kind: 'ambiguous' };
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const shown = rawHeaders[at] ?? '';
    if (shown.length === name.length && shown.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}
