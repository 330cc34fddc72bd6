import { describe, expect, it } from '@jest/globals';
import { CLOSED_ADDRESSES, NEVER_OPENABLE, PUBLIC_ADDRESSES } from '../../../test/guard/vectors.js';
import { judgeAddress } from './address-rule.js';
import { targetPolicy } from './target-policy.js';

const CLOSED = targetPolicy();
const EVERYTHING_OPENED = targetPolicy({ allowedCidrs: '0.0.0.0/0,::/0', allowedHosts: 'receiver.corp.internal' });

describe('judgeAddress', () => {
  it.each(CLOSED_ADDRESSES)('refuses %s', (address) => {
    expect(judgeAddress(address, CLOSED).allowed).toBe(false);
  });

  it.each(PUBLIC_ADDRESSES)('allows %s', (address) => {
    expect(judgeAddress(address, CLOSED)).toEqual({ allowed: true });
  });

  it.each(NEVER_OPENABLE)('refuses %s even when every network and the host are opened', (address) => {
    const verdict = judgeAddress(address, EVERYTHING_OPENED, { host: 'receiver.corp.internal', port: 443 });

    expect(verdict.allowed).toBe(false);
  });

  it.each(['', 'localhost', '1.2.3', '01.2.3.4', '0x7f.0.0.1', '[::1]', '::1%lo', '1.1.1.1 ', '1.1.1.1/32', ':::'])(
    'refuses %p, which is no address',
    (text) => {
      expect(judgeAddress(text, CLOSED)).toEqual({ allowed: false, because: 'not-an-address' });
    },
  );

  it.each([
    ['10.0.0.1', 'private-address'],
    ['::ffff:10.0.0.1', 'private-address'],
    ['127.0.0.1', 'loopback-address'],
    ['169.254.169.254', 'metadata-address'],
    ['169.254.1.1', 'link-local-address'],
    ['192.0.2.1', 'documentation-address'],
    ['ff02::1', 'multicast-address'],
    ['2002:7f00:1::', 'embedded-ipv4-address'],
    ['2001:470:1f0b:1::5efe:7f00:1', 'embedded-ipv4-address'],
    ['4000::1', 'not-global-address'],
    ['0.0.0.0', 'reserved-address'],
  ])('says of %s that it is a %s', (address, because) => {
    expect(judgeAddress(address, CLOSED)).toEqual({ allowed: false, because });
  });
});

describe('an opened network', () => {
  const policy = targetPolicy({ allowedCidrs: '10.20.0.0/16, fd12:3456::/32' });

  it.each(['10.20.0.0', '10.20.255.255', 'fd12:3456::1', '::ffff:10.20.0.1'])('lets %s pass', (address) => {
    expect(judgeAddress(address, policy)).toEqual({ allowed: true });
  });

  it.each(['10.19.255.255', '10.21.0.0', 'fd12:3457::1', '192.168.0.1'])('leaves its neighbour %s shut', (address) => {
    expect(judgeAddress(address, policy).allowed).toBe(false);
  });
});

describe('an allowed host', () => {
  const policy = targetPolicy({ allowedHosts: 'receiver.corp.internal,other.corp.internal:8443,10.0.0.5' });

  it('opens the private addresses of that name alone', () => {
    expect(judgeAddress('10.0.0.9', policy, { host: 'receiver.corp.internal', port: 443 }).allowed).toBe(true);
    expect(judgeAddress('10.0.0.9', policy, { host: 'evil.example.com', port: 443 }).allowed).toBe(false);
  });

  it('opens only its port when it names one', () => {
    expect(judgeAddress('10.0.0.9', policy, { host: 'other.corp.internal', port: 8443 }).allowed).toBe(true);
    expect(judgeAddress('10.0.0.9', policy, { host: 'other.corp.internal', port: 443 }).allowed).toBe(false);
  });

  it('opens an address that is named itself', () => {
    expect(judgeAddress('10.0.0.5', policy, { host: '10.0.0.5', port: 443 }).allowed).toBe(true);
    expect(judgeAddress('10.0.0.6', policy, { host: '10.0.0.6', port: 443 }).allowed).toBe(false);
  });
});

describe('loopback', () => {
  const policy = targetPolicy({
    allowedHosts: '127.0.0.1:9000,localhost:9100,127.0.0.1:3000',
    ownListeners: [{ address: '0.0.0.0', port: 3000 }],
  });

  it('opens for the very host and port', () => {
    expect(judgeAddress('127.0.0.1', policy, { host: '127.0.0.1', port: 9000 })).toEqual({ allowed: true });
    expect(judgeAddress('::1', policy, { host: 'localhost', port: 9100 })).toEqual({ allowed: true });
  });

  it.each([
    ['127.0.0.1', 9001],
    ['127.0.0.2', 9000],
    ['::1', 9000],
    ['127.0.0.2', 9100],
  ])('stays shut for %s port %d', (address, port) => {
    expect(judgeAddress(address, policy, { host: address, port }).allowed).toBe(false);
  });

  it('stays shut where this service itself listens, whoever names it', () => {
    const verdict = judgeAddress('127.0.0.1', policy, { host: '127.0.0.1', port: 3000 });

    expect(verdict).toEqual({ allowed: false, because: 'own-listener' });
  });
});

describe('own listeners', () => {
  it('are refused on every address of the machine when they listen on all of them', () => {
    const policy = targetPolicy({
      allowedCidrs: '10.0.0.0/8',
      ownListeners: [{ address: '::', port: 3000 }],
      ownAddresses: ['10.1.1.1'],
    });

    expect(judgeAddress('10.1.1.1', policy, { host: 'a.example.com', port: 3000 })).toEqual({
      allowed: false,
      because: 'own-listener',
    });
    expect(judgeAddress('10.1.1.1', policy, { host: 'a.example.com', port: 3001 })).toEqual({ allowed: true });
    expect(judgeAddress('10.1.1.2', policy, { host: 'a.example.com', port: 3000 })).toEqual({ allowed: true });
  });

  it.each(['localhost', 'replica-1'])('are refused when the service was told to listen on the name %s', (address) => {
    const policy = targetPolicy({ allowedHosts: '127.0.0.1:3000', ownListeners: [{ address, port: 3000 }] });

    expect(judgeAddress('127.0.0.1', policy, { host: '127.0.0.1', port: 3000 })).toEqual({
      allowed: false,
      because: 'own-listener',
    });
  });
});
