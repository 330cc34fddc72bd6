import { describe, expect, it } from '@jest/globals';
import { rateLimitKey, trustsProxies } from './client-address.js';

describe('trusted proxies', () => {
  const trusts = trustsProxies(['10.0.0.0/8', '192.0.2.1', 'fd00::/8']);

  it.each(['10.1.2.3', '192.0.2.1', '::ffff:10.0.0.1', 'fd12::1'])('are inside a range: %s', (address) => {
    expect(trusts(address)).toBe(true);
  });

  it.each(['11.0.0.1', '192.0.2.2', '2001:db8::1', '', 'unknown', undefined, '10.1', '0xa000001'])(
    'are nobody else: %s',
    (address) => {
      expect(trusts(address)).toBe(false);
    },
  );

  it('cannot be set to something that is no range', () => {
    expect(() => trustsProxies(['10.0.0.0/99'])).toThrow();
    expect(() => trustsProxies(['proxy.internal'])).toThrow();
  });
});

describe('whom a request is counted for', () => {
  it.each([
    ['an IPv4 address', ['203.0.113.7'], '203.0.113.7'],
    ['IPv4 inside IPv6', ['::ffff:203.0.113.7'], '203.0.113.7'],
    ['an address with a port', ['203.0.113.7:5555'], '203.0.113.7'],
    ['the /64 of IPv6', ['2001:db8:1:2:3:4:5:6'], '2001:db8:1:2::/64'],
    ['the socket when what was forwarded is no address', ['nonsense', '10.0.0.1'], '10.0.0.1'],
    ['nobody in particular', [undefined], 'unknown'],
  ])('is %s', (_, candidates, expected) => {
    expect(rateLimitKey(candidates)).toBe(expected);
  });
});
