import { isIPv4, isIPv6 } from 'node:net';

/** One address in one spelling: an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is the IPv4 address that the kernel would dial. */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

export interface Cidr {
  base: IpAddress;
  prefixLength: number;
}

const MAPPED_PREFIX = 0xffffn;

/** Null when the text is not an address, or carries a zone (`fe80::1%eth0`), which has no meaning to a remote peer. */
export function parseIp(text: string): IpAddress | null {
  if (isIPv4(text)) return { family: 4, value: ipv4Value(text) };
  if (!isIPv6(text) || text.includes('%')) return null;
  const value = ipv6Value(text);
  if (value >> 32n === MAPPED_PREFIX) return { family: 4, value: value & 0xffff_ffffn };
  return { family: 6, value };
}

/** Null when malformed, or when bits below the prefix are set: `10.0.0.1/8` says two different things. */
export function parseCidr(text: string): Cidr | null {
  const [address = '', prefix, ...rest] = text.split('/');
  const base = parseIp(address);
  if (!base || rest.length > 0) return null;
  const bits = bitsOf(base);
  if (prefix === undefined) return { base, prefixLength: bits };
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return null;
  const prefixLength = Number(prefix);
  const hostBits = BigInt(bits - prefixLength);
  return (base.value >> hostBits) << hostBits === base.value ? { base, prefixLength } : null;
}

export function contains(cidr: Cidr, address: IpAddress): boolean {
  if (cidr.base.family !== address.family) return false;
  const hostBits = BigInt(bitsOf(cidr.base) - cidr.prefixLength);
  return cidr.base.value >> hostBits === address.value >> hostBits;
}

/** False also when one of the two is no address at all. */
export function isSameAddress(a: string | undefined, b: string): boolean {
  const [left, right] = [parseIp(a ?? ''), parseIp(b)];
  return left !== null && right !== null && left.family === right.family && left.value === right.value;
}

function bitsOf(address: IpAddress): number {
  return address.family === 4 ? 32 : 128;
}

function ipv4Value(text: string): bigint {
  return text.split('.').reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function ipv6Value(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0n);
  return [...front, ...zeros, ...back].reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const embedded = ipv4Value(group);
    return [embedded >> 16n, embedded & 0xffffn];
  });
}
