import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';

/** Two addresses; longer ones are no addresses, and may be as long as a header. */
const MAX_KEPT_LENGTH = 100;
/** Callers come again, and reading an address is work. */
const keys = new LRUCache<string, string>({ max: 10_000 });

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

/**
 * Says whether an address is one of our own proxies, whose X-Forwarded-For may be believed.
 * @param ranges addresses or CIDRs; @throws Error for one that is neither.
 */
export function trustsProxies(ranges: readonly string[]): (address: string | undefined) => boolean {
  const trusted = ranges.map(toRange);
  return (text) => {
    const address = toAddress(text);
    return (
      address !== null && trusted.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits))
    );
  };
}

export function isAddressOrRange(text: string): boolean {
  return text.includes('/') ? ipaddr.isValidCIDR(text) : toAddress(text) !== null;
}

/**
 * Whom a request is counted for: the address, or for IPv6 its /64, since one caller usually has all of that.
 * @param candidates from the farthest believed address to the socket's own; the first that is an address counts.
 */
export function rateLimitKey(candidates: readonly (string | undefined)[]): string {
  const name = candidates.join(' ');
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = keyOf(candidates);
  if (name.length <= MAX_KEPT_LENGTH) keys.set(name, key);
  return key;
}

function keyOf(candidates: readonly (string | undefined)[]): string {
  const address = candidates.map(toAddress).find((candidate) => candidate !== null);
  if (!address) return 'unknown';
  if (address instanceof ipaddr.IPv6)
    return `${ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/64`).toString()}/64`;
  return address.toString();
}

function toRange(text: string): Range {
  if (text.includes('/')) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function toAddress(text: string | undefined): Address | null {
  // Some proxies write the port behind an IPv4 address.
  const bare = text?.trim().replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  if (bare === undefined) return null;
  const isAddress = ipaddr.IPv4.isValidFourPartDecimal(bare) || ipaddr.IPv6.isValid(bare);
  return isAddress ? ipaddr.process(bare) : null;
}
