import { describe, expect, it } from '@jest/globals';
import { fingerprintOf } from './fingerprint.js';
import { keyHashOf, seal, unseal } from './sealed-answer.js';

describe('the fingerprint of a request', () => {
  const of = (body: unknown) => fingerprintOf('POST', '/api/instances', body);

  it('does not depend on the order of keys, at any depth', () => {
    expect(of({ a: 1, b: { c: [1, 2], d: 'x' } })).toBe(of({ b: { d: 'x', c: [1, 2] }, a: 1 }));
    expect(of({ 2: 'a', 10: 'b' })).toBe(of({ 10: 'b', 2: 'a' }));
  });

  it.each([
    [{ a: 1 }, { a: '1' }],
    [{ a: [1, 2] }, { a: [2, 1] }],
    [{ a: { b: 1 } }, { a: [['b', 1]] }],
    [{ a: null }, {}],
    [{ a: { pairs: [['b', 1]] } }, { a: { b: 1 } }],
  ])('differs between %j and %j', (one, other) => {
    expect(of(one)).not.toBe(of(other));
  });

  it('depends on what is asked for', () => {
    expect(fingerprintOf('POST', '/api/keys', {})).not.toBe(fingerprintOf('POST', '/api/instances', {}));
  });
});

describe('a sealed answer', () => {
  it('is read with the key that it was sealed with, and with no other', () => {
    const sealed = seal('{"secret":"ü"}', 'team', 'key');

    expect(unseal(sealed, 'team', 'key')).toBe('{"secret":"ü"}');
    expect(sealed.toString('latin1')).not.toContain('secret');
    expect(() => unseal(sealed, 'team', 'other')).toThrow();
    expect(() => unseal(sealed, 'other', 'key')).toThrow();
  });

  it('is filed apart for each team', () => {
    expect(keyHashOf('a', 'key')).not.toBe(keyHashOf('b', 'key'));
    expect(keyHashOf('a', 'key')).toMatch(/^[0-9a-f]{64}$/);
  });
});
