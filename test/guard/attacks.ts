import { targetPolicy } from '../../src/webhooks/domain/target-policy.js';
import type { GuardedHttp } from '../../src/webhooks/guarded-http.js';
import { FakeResolver } from './fakes.js';
import { hostOfLiteral } from './vectors.js';

/** Where canaries listen inside the network namespace; nobody may ever reach them. */
export const CANARY_ADDRESSES: readonly string[] = [
  '127.0.0.1',
  '127.0.0.2',
  '10.0.0.1',
  '10.20.30.40',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '100.100.100.200',
  '169.254.169.254',
  '169.254.170.2',
  '168.63.129.16',
  '192.0.0.192',
  '192.88.99.1',
  '198.18.0.1',
  '203.0.113.1',
  '::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  'fd7a:115c:a1e0::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  '64:ff9b::7f00:1',
  '2001:470:1f0b:1:0:5efe:7f00:1',
  '4000::1',
];
export const CANARY_PORTS: readonly number[] = [22, 80, 443, 8080];

/** A public address with a listener, for the name that changes its mind. */
export const PUBLIC_ADDRESS = '1.1.1.1';
export const REBINDING_NAME = 'rebind.example.com';
export const REBINDS = 1000;

/** The one receiver that the operator has named; it redirects to a canary. */
export const NAMED_RECEIVER_PORT = 9000;
export const POLICY = targetPolicy({ allowedHosts: `127.0.0.1:${NAMED_RECEIVER_PORT}`, allowedCidrs: '10.77.0.0/16' });

/** Other spellings of loopback, which the kernel understands. */
const SPELLINGS = [
  '0.0.0.0',
  '[::]',
  '[::ffff:127.0.0.1]',
  '127.1',
  '2130706433',
  '0x7f.1',
  'localhost',
  '[::ffff:7f00:1]',
];

export function attackersZone(): FakeResolver {
  const names = CANARY_ADDRESSES.flatMap((address, i) => [
    [`only-${i}.example.com`, [address]] as const,
    [`mixed-${i}.example.com`, [PUBLIC_ADDRESS, address]] as const,
  ]);
  const rebind = (question: number): string[] => [question % 2 === 0 ? '169.254.169.254' : PUBLIC_ADDRESS];
  return new FakeResolver({ ...Object.fromEntries(names), [REBINDING_NAME]: rebind });
}

/** Every way to a canary: literals, spellings, names, mixed names, over HTTP, HTTPS and bare TCP. Returns how many were tried. */
export async function attackCanaries(http: GuardedHttp): Promise<number> {
  const names = CANARY_ADDRESSES.flatMap((_address, i) => [`only-${i}.example.com`, `mixed-${i}.example.com`]);
  const hosts = [...CANARY_ADDRESSES.map(hostOfLiteral), ...SPELLINGS, ...names];
  const attempts = hosts.flatMap((host) => CANARY_PORTS.flatMap((port) => attemptsOn(http, host, port)));
  await Promise.all(attempts);
  return attempts.length;
}

export async function attackByRebinding(http: GuardedHttp): Promise<void> {
  for (let round = 0; round < REBINDS; round += 1) {
    // A new connection each time, or the one to the public address would serve them all.
    await http.tcpConnect(REBINDING_NAME, 8080);
  }
}

function attemptsOn(http: GuardedHttp, host: string, port: number): Promise<unknown>[] {
  return [
    http.post(`http://${host}:${port}/`, { body: '{}' }),
    http.post(`https://${host}:${port}/`, { body: '{}' }),
    http.request(`http://${host}:${port}/`, { method: 'GET', purpose: 'probe' }),
    http.tcpConnect(host.replace(/^\[|\]$/g, ''), port),
  ];
}
