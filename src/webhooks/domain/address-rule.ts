import type { Cidr, IpAddress } from './ip-address.js';
import { contains, isSameAddress, parseCidr, parseIp } from './ip-address.js';
import type { Listener, TargetPolicy } from './target-policy.js';
import { isAllowedEndpoint, isAllowedHost } from './target-policy.js';

export type AddressRefusal =
  | 'not-an-address'
  | 'own-listener'
  | 'metadata-address'
  | 'link-local-address'
  | 'loopback-address'
  | 'private-address'
  | 'documentation-address'
  | 'multicast-address'
  | 'reserved-address'
  | 'embedded-ipv4-address'
  | 'not-global-address';

export type AddressVerdict = { allowed: true } | { allowed: false; because: AddressRefusal };

/** The host and port of the URL that led to the address; without it no entry of the allowed hosts can open anything. */
export interface Endpoint {
  host: string;
  port: number;
}

interface Range {
  cidr: Cidr;
  because: AddressRefusal;
  /** May the operator open it by name or network? The rest stays shut whatever the settings say. */
  openable: boolean;
}

function range(text: string, because: AddressRefusal, openable = false): Range {
  const cidr = parseCidr(text);
  if (!cidr) throw new RangeError(`${text} is not a network`);
  return { cidr, because, openable };
}

const OPENABLE = true;

/**
 * The IANA special-purpose registries, multicast and class E, plus the addresses where clouds answer with credentials.
 * First match wins, so the metadata services stand before the networks that contain them.
 */
const CLOSED_RANGES: readonly Range[] = [
  range('169.254.169.254', 'metadata-address'),
  range('169.254.170.2', 'metadata-address'),
  range('100.100.100.200', 'metadata-address'), // Alibaba Cloud
  range('168.63.129.16', 'metadata-address'), // Azure's WireServer, inside a public block
  range('192.0.0.192', 'metadata-address'), // Oracle Cloud
  range('fd00:ec2::254', 'metadata-address'), // AWS
  range('fd20:ce::254', 'metadata-address'), // Google Cloud
  range('169.254.0.0/16', 'link-local-address'),
  range('fe80::/10', 'link-local-address'),
  range('10.0.0.0/8', 'private-address', OPENABLE),
  range('100.64.0.0/10', 'private-address', OPENABLE),
  range('172.16.0.0/12', 'private-address', OPENABLE),
  range('192.168.0.0/16', 'private-address', OPENABLE),
  range('fc00::/7', 'private-address', OPENABLE),
  range('192.0.2.0/24', 'documentation-address', OPENABLE),
  range('198.18.0.0/15', 'documentation-address', OPENABLE),
  range('198.51.100.0/24', 'documentation-address', OPENABLE),
  range('203.0.113.0/24', 'documentation-address', OPENABLE),
  range('2001:db8::/32', 'documentation-address', OPENABLE),
  range('3fff::/20', 'documentation-address', OPENABLE),
  range('0.0.0.0/8', 'reserved-address'), // Linux dials loopback for 0.0.0.0
  range('192.0.0.0/24', 'reserved-address'),
  range('192.31.196.0/24', 'reserved-address'),
  range('192.52.193.0/24', 'reserved-address'),
  range('192.88.99.0/24', 'reserved-address'),
  range('192.175.48.0/24', 'reserved-address'),
  range('240.0.0.0/4', 'reserved-address'),
  range('224.0.0.0/4', 'multicast-address'),
  range('ff00::/8', 'multicast-address'),
  range('2002::/16', 'embedded-ipv4-address'), // 6to4
  range('2001::/32', 'embedded-ipv4-address'), // Teredo
  range('64:ff9b::/96', 'embedded-ipv4-address'), // NAT64
  range('64:ff9b:1::/48', 'embedded-ipv4-address'),
  range('2001::/23', 'reserved-address'),
  range('2620:4f:8000::/48', 'reserved-address'),
];
const IPV4_LOOPBACK = range('127.0.0.0/8', 'loopback-address').cidr;
const IPV6_LOOPBACK = range('::1', 'loopback-address').cidr;
const IPV6_GLOBAL_UNICAST = range('2000::/3', 'not-global-address').cidr;

/** May a packet that a user has asked for go to this address? Everything that is not global unicast needs an entry in the policy. */
export function judgeAddress(ip: string, policy: TargetPolicy, endpoint?: Endpoint): AddressVerdict {
  const address = parseIp(ip);
  if (!address) return refuse('not-an-address');
  if (endpoint && isOwnListener(ip, endpoint.port, policy)) return refuse('own-listener');
  if (isLoopback(address)) {
    return endpoint && isLoopbackNamed(ip, endpoint.port, policy) ? { allowed: true } : refuse('loopback-address');
  }
  if (hidesIpv4(address)) return refuse('embedded-ipv4-address');
  const closed = CLOSED_RANGES.find(({ cidr }) => contains(cidr, address));
  if (closed)
    return closed.openable && isOpened(ip, address, policy, endpoint) ? { allowed: true } : refuse(closed.because);
  if (address.family === 6 && !contains(IPV6_GLOBAL_UNICAST, address)) return refuse('not-global-address');
  return { allowed: true };
}

function refuse(because: AddressRefusal): AddressVerdict {
  return { allowed: false, because };
}

function isLoopback(address: IpAddress): boolean {
  return contains(IPV4_LOOPBACK, address) || contains(IPV6_LOOPBACK, address);
}

/** The name does not matter here: whoever may say `127.0.0.1:9000` gains nothing by a name that resolves to it. */
function isLoopbackNamed(ip: string, port: number, policy: TargetPolicy): boolean {
  if (isAllowedEndpoint(policy, 'localhost', port) && ['127.0.0.1', '::1'].some((own) => isSameAddress(ip, own)))
    return true;
  return isAllowedEndpoint(policy, ip, port);
}

function isOpened(ip: string, address: IpAddress, policy: TargetPolicy, endpoint: Endpoint | undefined): boolean {
  if (policy.allowedCidrs.some((cidr) => contains(cidr, address))) return true;
  if (!endpoint) return false;
  return isAllowedHost(policy, endpoint.host, endpoint.port) || isAllowedHost(policy, ip, endpoint.port);
}

function isOwnListener(ip: string, port: number, policy: TargetPolicy): boolean {
  return policy.ownListeners.some((listener) => listener.port === port && answersOn(listener, ip, policy));
}

function answersOn(listener: Listener, ip: string, policy: TargetPolicy): boolean {
  // A name may stand for any of the machine's addresses.
  const isOneAddress =
    parseIp(listener.address) !== null && listener.address !== '0.0.0.0' && listener.address !== '::';
  if (isOneAddress) return isSameAddress(ip, listener.address);
  const address = parseIp(ip);
  return (address !== null && isLoopback(address)) || policy.ownAddresses.some((own) => isSameAddress(ip, own));
}

/** ISATAP: any /64 can carry `[02]00:5efe:a.b.c.d`, and a tunnel router on the way unpacks the IPv4 address. */
function hidesIpv4(address: IpAddress): boolean {
  if (address.family === 4) return false;
  const interfaceTag = (address.value >> 32n) & 0xffff_ffffn;
  return (interfaceTag & 0xfcff_ffffn) === 0x0000_5efen;
}
