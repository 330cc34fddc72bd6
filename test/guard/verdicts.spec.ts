import { describe, expect, it } from '@jest/globals';
import { AddressGuard } from '../../src/webhooks/address-guard.js';
import { GuardedHttp } from '../../src/webhooks/guarded-http.js';
import { targetPolicy } from '../../src/webhooks/domain/target-policy.js';
import { FakeResolver, RecordingDialler } from './fakes.js';
import { CLOSED_ADDRESSES, hostOfLiteral, PUBLIC_ADDRESSES, SERVICE_PORTS } from './vectors.js';

const OWN_PORTS = [{ address: '0.0.0.0', port: 3000 }];

function setUp(resolver = new FakeResolver()) {
  const guard = new AddressGuard(targetPolicy({ ownListeners: OWN_PORTS }), resolver, { dnsTimeoutMs: 50 });
  const dialler = new RecordingDialler();
  return { guard, dialler, resolver, http: new GuardedHttp(guard, dialler) };
}

const URLS_OF_CLOSED_ADDRESSES = CLOSED_ADDRESSES.flatMap((address) =>
  ['http', 'https'].flatMap((scheme) =>
    ['', ':8080'].map((port) => `${scheme}://${hostOfLiteral(address)}${port}/hook`),
  ),
);

describe('closed addresses as literals', () => {
  it('are enough vectors for the promise', () => {
    expect(URLS_OF_CLOSED_ADDRESSES.length * 3).toBeGreaterThanOrEqual(400);
  });

  it.each(URLS_OF_CLOSED_ADDRESSES)(
    'refuses %s at registration, at delivery and after a change of policy',
    async (url) => {
      const { guard, dialler, http, resolver } = setUp();

      const registered = await guard.checkAtRegistration(url);
      const delivered = await http.post(url, { body: '{}' });
      guard.usePolicy(targetPolicy({ allowedHosts: 'receiver.corp.internal', allowedCidrs: '10.77.0.0/16' }));
      const afterUpdate = await http.post(url, { body: '{}' });

      expect(registered.allowed).toBe(false);
      expect(delivered.kind).toBe('refused');
      expect(afterUpdate.kind).toBe('refused');
      expect(dialler.dialled).toEqual([]);
      expect(resolver.asked).toEqual([]);
    },
  );

  it.each(CLOSED_ADDRESSES)('refuses a name that resolves to %s', async (address) => {
    const { guard, dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': [address] }));

    const registered = await guard.checkAtRegistration('https://hooks.example.com/');
    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });

    expect(registered.allowed).toBe(false);
    expect(delivered.kind).toBe('refused');
    expect(dialler.dialled).toEqual([]);
  });
});

describe('public addresses', () => {
  it('come in forty', () => {
    expect(new Set(PUBLIC_ADDRESSES).size).toBe(40);
  });

  it.each(PUBLIC_ADDRESSES)('accepts %s, as a literal and behind a name', async (address) => {
    const { guard, dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': [address] }));

    const literal = await guard.checkAtRegistration(`https://${hostOfLiteral(address)}:8443/hook`);
    const named = await guard.checkAtRegistration('https://hooks.example.com/hook');
    await http.post('https://hooks.example.com/hook', { body: '{}' });

    expect(literal).toMatchObject({ allowed: true, verified: true });
    expect(named).toEqual({ allowed: true, url: 'https://hooks.example.com/hook', verified: true });
    expect(dialler.dialled).toEqual([address]);
  });
});

describe('ports', () => {
  it.each([0, ...SERVICE_PORTS, 65_536, -1, 3000])('refuses port %d at registration and at delivery', async (port) => {
    const { guard, dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': ['1.1.1.1'] }));
    const url = `https://hooks.example.com:${port}/`;

    const registered = await guard.checkAtRegistration(url);
    const delivered = await http.post(url, { body: '{}' });

    expect(registered.allowed).toBe(false);
    expect(delivered.kind).toBe('refused');
    expect(dialler.dialled).toEqual([]);
  });
});

describe('names', () => {
  it.each([
    ['a private address', ['10.1.2.3'], 'private-address'],
    ['a public and a private address', ['1.1.1.1', '192.168.1.1'], 'private-address'],
    ['a public IPv4 and the IPv6 loopback', ['1.1.1.1', '::1'], 'loopback-address'],
    ['only an IPv4-mapped loopback', ['::ffff:7f00:1'], 'loopback-address'],
    ['500 public addresses', Array.from({ length: 500 }, (_, i) => `8.8.${i >> 8}.${i & 255}`), 'too-many-addresses'],
    ['something that is no address', ['1.1.1.1', 'localhost'], 'not-an-address'],
    ['an address with a zone', ['fe80::1%eth0'], 'not-an-address'],
  ])('refuses a name with %s', async (_what, addresses, because) => {
    const { guard, dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': addresses }));

    const registered = await guard.checkAtRegistration('https://hooks.example.com/');
    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });

    expect(registered).toEqual({ allowed: false, because });
    expect(delivered).toMatchObject({ kind: 'refused', because });
    expect(dialler.dialled).toEqual([]);
  });

  it('refuses at delivery what has moved to a private address since registration', async () => {
    const zone = { 'hooks.example.com': (question: number) => [question === 1 ? '1.1.1.1' : '10.0.0.7'] };
    const { guard, dialler, http } = setUp(new FakeResolver(zone));

    const registered = await guard.checkAtRegistration('https://hooks.example.com/');
    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });

    expect(registered.allowed).toBe(true);
    expect(delivered).toMatchObject({ kind: 'refused', because: 'private-address' });
    expect(dialler.dialled).toEqual([]);
  });

  it('never dials a private address of a name that changes with every question, 1,000 times', async () => {
    const zone = { 'rebind.example.com': (question: number) => [question % 2 === 0 ? '169.254.169.254' : '1.1.1.1'] };
    const { dialler, http, resolver } = setUp(new FakeResolver(zone));

    const kinds = [];
    for (let round = 0; round < 1000; round += 1) {
      kinds.push((await http.post('https://rebind.example.com/', { body: '{}' })).kind);
    }

    expect(resolver.asked).toHaveLength(1000);
    expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(500);
    expect(new Set(dialler.dialled)).toEqual(new Set(['1.1.1.1']));
    expect(dialler.dialled).toHaveLength(500);
  });

  it('asks once for each connection, so the address that was checked is the one that is dialled', async () => {
    const { dialler, http, resolver } = setUp(new FakeResolver({ 'hooks.example.com': ['1.1.1.1', '8.8.8.8'] }));

    await http.post('https://hooks.example.com/', { body: '{}' });

    expect(resolver.asked).toEqual(['hooks.example.com']);
    expect(dialler.dialled).toEqual(['1.1.1.1', '8.8.8.8']);
  });

  it('judges where a chain of aliases ends', async () => {
    const aliases = new Map([['hooks.example.com', 'edge.example.net']]);
    const addresses = new Map([['edge.example.net', '172.16.9.9']]);
    const follow = (name: string) => [addresses.get(aliases.get(name) ?? name) ?? ''];
    const { dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': () => follow('hooks.example.com') }));

    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });

    expect(delivered).toMatchObject({ kind: 'refused', because: 'private-address' });
    expect(dialler.dialled).toEqual([]);
  });

  it.each([
    ['does not exist', new Error('ENOTFOUND')],
    ['has no address', []],
    ['is answered by nobody', new Promise<string[]>(() => undefined)],
  ])('registers unverified, and fails to deliver, when the name %s', async (_what, answer) => {
    const { guard, dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': answer }));

    const registered = await guard.checkAtRegistration('https://hooks.example.com/');
    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });

    expect(registered).toEqual({ allowed: true, url: 'https://hooks.example.com/', verified: false });
    expect(delivered).toMatchObject({ kind: 'failed', class: 'dns' });
    expect(dialler.dialled).toEqual([]);
  });

  it('drops an answer that comes after the deadline', async () => {
    let answerNow: (addresses: string[]) => void = () => undefined;
    const late = new Promise<string[]>((resolve) => (answerNow = resolve));
    const { dialler, http } = setUp(new FakeResolver({ 'hooks.example.com': late }));

    const delivered = await http.post('https://hooks.example.com/', { body: '{}' });
    answerNow(['1.1.1.1']);
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(delivered).toMatchObject({ kind: 'failed', class: 'dns' });
    expect(dialler.dialled).toEqual([]);
  });

  it.each([
    'localhost',
    'localhost.localdomain',
    'api.internal',
    'metadata.google.internal',
    'metadata',
    'kubernetes.default.svc',
    'postgres.default.svc.cluster.local',
    'printer.local',
    'foo.localhost',
    '1.0.0.127.in-addr.arpa',
  ])('refuses %s without asking a name server', async (name) => {
    const { guard, dialler, http, resolver } = setUp(new FakeResolver({ [name]: ['1.1.1.1'] }));

    const registered = await guard.checkAtRegistration(`https://${name}/`);
    const delivered = await http.post(`https://${name}/`, { body: '{}' });

    expect(registered.allowed).toBe(false);
    expect(delivered.kind).toBe('refused');
    expect(resolver.asked).toEqual([]);
    expect(dialler.dialled).toEqual([]);
  });
});

describe('a connection for a probe', () => {
  it.each(CLOSED_ADDRESSES)('is refused to %s, by URL and by endpoint', async (address) => {
    const { dialler, http } = setUp(new FakeResolver({ 'gpu.example.com': [address] }));

    const byUrl = await http.request(`http://${hostOfLiteral(address)}:31234/`, { method: 'GET', purpose: 'probe' });
    const byEndpoint = await http.tcpConnect(address, 22);
    const byName = await http.tcpConnect('gpu.example.com', 22);

    expect([byUrl.kind, byEndpoint.kind, byName.kind]).toEqual(['refused', 'refused', 'refused']);
    expect(dialler.dialled).toEqual([]);
  });

  it('may use plain HTTP and any port of a public address', async () => {
    const { dialler, http } = setUp();

    await http.request('http://1.1.1.1:6379/', { method: 'GET', purpose: 'probe' });
    await http.tcpConnect('8.8.8.8', 22);

    expect(dialler.dialled).toEqual(['1.1.1.1', '8.8.8.8']);
  });
});
