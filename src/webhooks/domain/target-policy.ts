import type { Cidr } from './ip-address.js';
import { contains, isSameAddress, parseCidr, parseIp } from './ip-address.js';

/** A host that the operator has named; `port` null means every port that the port rule leaves open. */
export interface AllowedHost {
  host: string;
  port: number | null;
}

/** Where this service itself accepts connections; `0.0.0.0` and `::` mean every address of the machine. */
export interface Listener {
  address: string;
  port: number;
}

/** What a URL given by a user may point at. Made once from the settings with {@link targetPolicy}. */
export interface TargetPolicy {
  allowedHosts: readonly AllowedHost[];
  allowedCidrs: readonly Cidr[];
  deniedPorts: ReadonlySet<number>;
  ownListeners: readonly Listener[];
  /** The machine's interface addresses, which a wildcard listener answers on. */
  ownAddresses: readonly string[];
  ownNames: readonly string[];
}

export interface TargetSettings {
  /** WEBHOOK_ALLOWED_HOSTS: `receiver.corp.internal,10.0.0.5,127.0.0.1:9000,[::1]:9000` */
  allowedHosts?: string;
  /** WEBHOOK_ALLOWED_CIDRS: `10.20.0.0/16,fd12:3456::/32` */
  allowedCidrs?: string;
  deniedPorts?: readonly number[];
  ownListeners?: readonly Listener[];
  ownAddresses?: readonly string[];
  ownNames?: readonly string[];
}

/** Names the setting and the entry that cannot be read, so that the service refuses to start with it. */
export class BadTargetSetting extends Error {
  constructor(setting: string, entry: string, expected: string) {
    super(`${setting}: cannot use "${entry}", expected ${expected}`);
    this.name = 'BadTargetSetting';
  }
}

/** Ports where databases, brokers and control planes listen: a POST to one of them can be an order. */
export const WELL_KNOWN_SERVICE_PORTS: readonly number[] = [
  1433, 1521, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 4243, 5432, 5672, 5900, 5984, 6000, 6379, 6443,
  6667, 8500, 8600, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 15672, 26379, 27017, 27018, 50000,
];

export function targetPolicy(settings: TargetSettings = {}): TargetPolicy {
  return {
    allowedHosts: entriesOf(settings.allowedHosts).map(toAllowedHost),
    allowedCidrs: entriesOf(settings.allowedCidrs).map(toAllowedCidr),
    deniedPorts: new Set(settings.deniedPorts ?? WELL_KNOWN_SERVICE_PORTS),
    ownListeners: settings.ownListeners ?? [],
    ownAddresses: settings.ownAddresses ?? [],
    ownNames: (settings.ownNames ?? []).map((name) => name.toLowerCase()),
  };
}

/** Has the operator named this host, for every port or for just this one? */
export function isAllowedHost(policy: TargetPolicy, host: string, port: number): boolean {
  return policy.allowedHosts.some(
    (entry) => (entry.port === null || entry.port === port) && isSameHost(entry.host, host),
  );
}

/** Has the operator named this very host and port? Only that opens an unusual port, or loopback. */
export function isAllowedEndpoint(policy: TargetPolicy, host: string, port: number): boolean {
  return policy.allowedHosts.some((entry) => entry.port === port && isSameHost(entry.host, host));
}

export function isOwnPort(policy: TargetPolicy, port: number): boolean {
  return policy.ownListeners.some((listener) => listener.port === port);
}

/** `[::1]` → `::1`; every other host stays as it is. */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host;
}

function isSameHost(a: string, b: string): boolean {
  return a === b || isSameAddress(a, b);
}

const LOOPBACKS = ['127.0.0.0/8', '::1'].map((text) => parseCidr(text)).filter((cidr) => cidr !== null);

function toAllowedHost(entry: string): AllowedHost {
  const [, rawHost, rawPort] = /^(\[[0-9a-f:.]+\]|[^:[\]/@?#\\\s*]+)(?::(\d{1,5}))?$/i.exec(entry) ?? [];
  const host = rawHost === undefined ? null : normalisedHost(rawHost);
  const port = rawPort === undefined ? null : Number(rawPort);
  if (host === null || port === 0 || (port ?? 0) > 65_535) throw badHost(entry, 'host or host:port');
  if (port === null && isLoopback(host)) throw badHost(entry, 'a port: loopback opens only as host:port');
  return { host, port };
}

function toAllowedCidr(entry: string): Cidr {
  const cidr = parseCidr(entry);
  if (!cidr) throw new BadTargetSetting('WEBHOOK_ALLOWED_CIDRS', entry, 'a network such as 10.20.0.0/16');
  return cidr;
}

function badHost(entry: string, expected: string): BadTargetSetting {
  return new BadTargetSetting('WEBHOOK_ALLOWED_HOSTS', entry, expected);
}

function normalisedHost(host: string): string | null {
  const url = `http://${host}/`;
  return URL.canParse(url) ? withoutBrackets(new URL(url).hostname) : null;
}

function isLoopback(host: string): boolean {
  const address = parseIp(host);
  return host === 'localhost' || (address !== null && LOOPBACKS.some((cidr) => contains(cidr, address)));
}

function entriesOf(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
