import { describe, expect, it } from '@jest/globals';
import { encodeCursor, isAfter, parseCursor } from './cursor.js';

describe('a cursor of the log', () => {
  it('comes back from its text as it went in', () => {
    const cursor = { txId: 9_223_372_036_854_775_807n, position: 0n };

    expect(parseCursor(encodeCursor(cursor))).toEqual(cursor);
    expect(encodeCursor(cursor)).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  it.each(['', 'x', '1.2.3', 'MS4yLg', Buffer.from('1.99999999999999999999.1').toString('base64url'), 'a'.repeat(65)])(
    'is not made of %p',
    (text) => {
      expect(parseCursor(text)).toBeNull();
    },
  );

  it('orders by transaction first: a low position of a later transaction comes after', () => {
    expect(isAfter({ txId: 8n, position: 1n }, { txId: 7n, position: 9n })).toBe(true);
    expect(isAfter({ txId: 7n, position: 9n }, { txId: 7n, position: 9n })).toBe(false);
    expect(isAfter({ txId: 7n, position: 10n }, { txId: 7n, position: 9n })).toBe(true);
  });
});
