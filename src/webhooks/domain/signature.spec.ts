import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { makeSecret, readSecret, sign } from './signature.js';

const BODY = '{"event":"instance.ready","name":"größe \u2028 — 测试 😀"}';

function aMessage(overrides: { id?: string; sentAt?: Date; body?: string } = {}) {
  const { id = 'evt_01JABCDEF', sentAt = new Date(), body = BODY } = overrides;
  return { id, sentAt, body: Buffer.from(body, 'utf8') };
}

function verify(secret: string, body: string, headers: object): unknown {
  return new Webhook(secret).verify(body, { ...headers });
}

describe('sign', () => {
  it.each([BODY, '{}', JSON.stringify({ text: 'é'.repeat(10_000) }), JSON.stringify({ lone: '\ud800' })])(
    'is accepted by the public library, body %#',
    (body) => {
      const secret = makeSecret(randomBytes(32));

      const headers = sign(aMessage({ body }), [secret]);

      expect(verify(secret, body, headers)).toEqual(JSON.parse(body));
    },
  );

  it('satisfies receivers with either of three secrets during a rotation', () => {
    const secrets = [1, 2, 3].map(() => makeSecret(randomBytes(32)));

    const headers = sign(aMessage(), secrets);

    expect(headers['webhook-signature'].split(' ')).toHaveLength(3);
    for (const secret of secrets) expect(verify(secret, BODY, headers)).toEqual(JSON.parse(BODY));
  });

  it('is refused for another body, another id, another endpoint and another time', () => {
    const secret = makeSecret(randomBytes(32));
    const headers = sign(aMessage(), [secret]);

    expect(() => verify(secret, `${BODY} `, headers)).toThrow(/No matching signature/);
    expect(() => verify(secret, BODY, { ...headers, 'webhook-id': 'evt_other' })).toThrow(/No matching signature/);
    expect(() => verify(makeSecret(randomBytes(32)), BODY, headers)).toThrow(/No matching signature/);
    const later = String(Number(headers['webhook-timestamp']) + 1);
    expect(() => verify(secret, BODY, { ...headers, 'webhook-timestamp': later })).toThrow(/No matching signature/);
  });

  it.each([
    [-310, /too old/],
    [310, /too new/],
  ])('is refused %d seconds away from the receiver’s clock', (seconds, reason) => {
    const secret = makeSecret(randomBytes(32));

    const headers = sign(aMessage({ sentAt: new Date(Date.now() + seconds * 1000) }), [secret]);

    expect(() => verify(secret, BODY, headers)).toThrow(reason);
  });

  it('takes a plain-text secret as the bytes that it is', () => {
    const headers = sign(aMessage(), ['correct horse battery staple']);

    const receiver = new Webhook('correct horse battery staple', { format: 'raw' });

    expect(receiver.verify(BODY, { ...headers })).toEqual(JSON.parse(BODY));
  });

  it.each(['', 'evt.1', 'evt 1', 'evt_1\n', 'evt_ü', 'x'.repeat(129)])('does not sign the id %j', (id) => {
    expect(() => sign(aMessage({ id }), [makeSecret(randomBytes(32))])).toThrow(RangeError);
  });

  it('signs with one to three secrets', () => {
    const secret = makeSecret(randomBytes(32));

    expect(() => sign(aMessage(), [])).toThrow(RangeError);
    expect(() => sign(aMessage(), [secret, secret, secret, secret])).toThrow(RangeError);
  });
});

describe('readSecret', () => {
  it.each([
    ['', 'empty'],
    ['   ', 'empty'],
    ['whsec_', 'empty'],
    ['whsec_not base64!', 'not-base64'],
    ['whsec_AAAA', 'too-short'],
    [`whsec_${Buffer.alloc(23).toString('base64')}`, 'too-short'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'too-long'],
    [`whsec_${Buffer.alloc(32, 251).toString('base64url')}`, 'not-base64'],
  ])('refuses %j: %s', (secret, because) => {
    expect(readSecret(secret)).toEqual({ usable: false, because });
  });

  it('does not repeat the secret in its error', () => {
    expect(() => sign(aMessage(), ['whsec_c2VjcmV0'])).toThrow('The webhook secret cannot be used: too-short');
  });
});
