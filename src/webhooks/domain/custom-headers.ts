export type HeaderRefusal =
  'not-a-header-name' | 'not-a-header-value' | 'reserved-header' | 'too-many-headers' | 'too-long';
export type HeadersVerdict = { allowed: true } | { allowed: false; because: HeaderRefusal; header: string };

export interface HeaderRules {
  /** Off unless the owner of the endpoint has asked for it: a stray authorization header hands a credential to a stranger. */
  authorizationAllowed: boolean;
}

const MAX_HEADERS = 20;
const MAX_VALUE_LENGTH = 4096;

/** They frame the message or choose the peer, which is the HTTP client's business alone. */
const FRAMING = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'http2-settings',
  '__proto__',
]);

/** May a user have these headers sent along? Names the first one that may not. */
export function judgeCustomHeaders(
  headers: ReadonlyArray<readonly [string, string]>,
  rules: HeaderRules,
): HeadersVerdict {
  if (headers.length > MAX_HEADERS) {
    return { allowed: false, because: 'too-many-headers', header: headers[MAX_HEADERS]?.[0] ?? '' };
  }
  for (const [name, value] of headers) {
    const because = headerRefusal(name, value, rules);
    if (because) return { allowed: false, because, header: name };
  }
  return { allowed: true };
}

/** Does this header decide about the connection or the message's length? */
export function isFramingHeader(name: string): boolean {
  return FRAMING.has(name.toLowerCase()) || name.toLowerCase().startsWith('proxy-');
}

export function headerRefusal(name: string, value: string, rules: HeaderRules): HeaderRefusal | null {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name)) return 'not-a-header-name';
  if (isFramingHeader(name) || /^webhook-/i.test(name)) return 'reserved-header';
  if (/^authorization$/i.test(name) && !rules.authorizationAllowed) return 'reserved-header';
  if (value.length > MAX_VALUE_LENGTH) return 'too-long';
  return /^[\t\x20-\x7e\xa0-\xff]*$/.test(value) ? null : 'not-a-header-value';
}
