import { isIP } from 'node:net';
import { domainToUnicode } from 'node:url';
import type { AddressRefusal } from './address-rule.js';
import { judgeAddress } from './address-rule.js';
import { isSameAddress } from './ip-address.js';
import type { TargetPolicy } from './target-policy.js';
import { isAllowedEndpoint, isAllowedHost, isOwnPort, withoutBrackets } from './target-policy.js';

export type UrlRefusal =
  | 'too-long'
  | 'not-plain-text'
  | 'not-a-url'
  | 'scheme-not-allowed'
  | 'credentials-in-url'
  | 'fragment-in-url'
  | 'host-spelling'
  | 'plain-http'
  | 'port-not-allowed'
  | HostRefusal;

export type HostRefusal = 'not-a-host-name' | 'single-label-name' | 'internal-name' | 'own-name' | AddressRefusal;

export type UrlVerdict =
  { allowed: true; url: string; host: string; port: number } | { allowed: false; because: UrlRefusal };

/** A probe asks a machine's own service, which speaks plain HTTP on any port; a webhook does not. */
export type Purpose = 'webhook' | 'probe';

const MAX_URL_LENGTH = 2048;

/** Names that mean something only inside a network, a cluster or a machine. */
const INTERNAL_SUFFIXES = [
  'arpa',
  'corp',
  'home',
  'internal',
  'intranet',
  'invalid',
  'lan',
  'local',
  'localdomain',
  'localhost',
  'onion',
  'private',
  'svc',
];

/**
 * Reads a URL that a user has given. Only the returned `url` may be stored and dialled: what was typed can mean
 * another host to another parser. A host name is judged by its spelling only; its addresses are judged when they are known.
 */
export function judgeTargetUrl(input: string, policy: TargetPolicy, purpose: Purpose = 'webhook'): UrlVerdict {
  if (input.length > MAX_URL_LENGTH) return refuse('too-long');
  // WHATWG URL drops tabs and line breaks, turns backslashes into slashes and trims spaces: each of them hides a host.
  if (/[\u0000-\u0020\u007f-\u009f\u2028\u2029\\]|\p{Surrogate}/u.test(input)) return refuse('not-plain-text');
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(input) ?? [];
  if (scheme === undefined || authority === undefined || !URL.canParse(input)) {
    return refuse(/^[a-z][a-z0-9+.-]*:/i.test(input) && !/^https?:/i.test(input) ? 'scheme-not-allowed' : 'not-a-url');
  }
  const url = new URL(input);
  const because = urlRefusal(url, input, authority, policy, purpose);
  return because ? refuse(because) : { allowed: true, url: url.href, host: hostOf(url), port: portOf(url) };
}

/** May this host be asked for at all? Null when nothing speaks against it. */
export function hostRefusal(host: string, port: number, policy: TargetPolicy): HostRefusal | null {
  if (isIP(host) !== 0) {
    const verdict = judgeAddress(host, policy, { host, port });
    return verdict.allowed ? null : verdict.because;
  }
  if (host.length > 253 || !/^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(host)) return 'not-a-host-name';
  // Newer URL parsers let punycode pass that decodes to nothing.
  if (
    domainToUnicode(host)
      .split('.')
      .some((label) => label.startsWith('xn--'))
  )
    return 'not-a-host-name';
  if (isAllowedHost(policy, host, port)) return null;
  if (policy.ownNames.includes(host)) return 'own-name';
  const labels = host.split('.');
  if (INTERNAL_SUFFIXES.includes(labels.at(-1) ?? '')) return 'internal-name';
  return labels.length === 1 ? 'single-label-name' : null;
}

export function hostOf(url: URL): string {
  return withoutBrackets(url.hostname);
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function refuse(because: UrlRefusal): UrlVerdict {
  return { allowed: false, because };
}

function urlRefusal(
  url: URL,
  input: string,
  authority: string,
  policy: TargetPolicy,
  purpose: Purpose,
): UrlRefusal | null {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'scheme-not-allowed';
  if (authority.includes('@') || url.username !== '' || url.password !== '') return 'credentials-in-url';
  if (input.includes('#')) return 'fragment-in-url';
  if (!isSameSpelling(authority.replace(/:\d*$/, ''), url.hostname)) return 'host-spelling';
  const [host, port] = [hostOf(url), portOf(url)];
  const refusal = hostRefusal(host, port, policy);
  if (refusal) return refusal;
  if (!isPortOpen(host, port, policy, purpose)) return 'port-not-allowed';
  return url.protocol === 'http:' && purpose === 'webhook' && !isAllowedHost(policy, host, port) ? 'plain-http' : null;
}

function isSameSpelling(typed: string, normalised: string): boolean {
  if (typed.toLowerCase() === normalised) return true;
  return typed.startsWith('[') && isSameAddress(withoutBrackets(typed), withoutBrackets(normalised));
}

function isPortOpen(host: string, port: number, policy: TargetPolicy, purpose: Purpose): boolean {
  if (port === 0) return false;
  if (isAllowedEndpoint(policy, host, port)) return true;
  // Behind a public name or a balancer the own port may still be this service.
  if (isOwnPort(policy, port) && purpose === 'webhook') return false;
  if (purpose === 'probe') return true;
  return port === 443 || port === 80 || (port >= 1024 && !policy.deniedPorts.has(port));
}
