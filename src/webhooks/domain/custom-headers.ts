export type HeaderRefusal =
  | 'not-a-header-name'
  | 'not-a-header-value'
  | 'reserved-header'
  | 'authorization-without-https'
  | 'named-twice'
  | 'too-many-headers'
  | 'too-long';
export type HeadersVerdict = { allowed: true } | { allowed: false; because: HeaderRefusal; header: string };

export interface HeaderRules {
  /** Over https alone: everybody on the way could read it. */
  authorizationAllowed: boolean;
}

/** Names and values as they were given, in their order. */
export type CustomHeaders = ReadonlyArray<readonly [string, string]>;

export const MAX_HEADERS = 20;
export const MAX_VALUE_LENGTH = 4096;

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

/** They tell of the body and the sender, which are ours. */
const OURS = /^(webhook-.*|content-type|content-encoding|user-agent)$/i;

/** May a user have these headers sent along? Names the first one that may not. */
export function judgeCustomHeaders(headers: CustomHeaders, rules: HeaderRules): HeadersVerdict {
  if (headers.length > MAX_HEADERS) {
    return { allowed: false, because: 'too-many-headers', header: headers[MAX_HEADERS]?.[0] ?? '' };
  }
  const known = new Set<string>();
  for (const [name, value] of headers) {
    const because = known.has(name.toLowerCase()) ? 'named-twice' : headerRefusal(name, value, rules);
    known.add(name.toLowerCase());
    if (because) return { allowed: false, because, header: name };
  }
  return { allowed: true };
}

export function rulesFor(protocol: string): HeaderRules {
  return { authorizationAllowed: protocol === 'https:' };
}

/** Does this header decide about the connection or the message's length? */
export function isFramingHeader(name: string): boolean {
  return FRAMING.has(name.toLowerCase()) || name.toLowerCase().startsWith('proxy-');
}

export function headerRefusal(name: string, value: string, rules: HeaderRules): HeaderRefusal | null {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name)) return 'not-a-header-name';
  if (isFramingHeader(name) || OURS.test(name)) return 'reserved-header';
  if (/^authorization$/i.test(name) && !rules.authorizationAllowed) return 'authorization-without-https';
  if (value.length > MAX_VALUE_LENGTH) return 'too-long';
  return /^[\t\x20-\x7e\xa0-\xff]*$/.test(value) ? null : 'not-a-header-value';
}
