import { describe, expect, it } from '@jest/globals';
import type { Outcome } from './outcome.js';
import {
  decideAfterAttempt,
  MAX_TRIES,
  parseRetryAfterMs,
  waitBeforeTryMs,
  WAITS_BEFORE_TRY_MS,
} from './retry-schedule.js';

const NOW = new Date('2026-03-01T12:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function answered(status: number, retryAfter?: string): Outcome {
  return { kind: 'answered', status, bytes: 0, durationMs: 5, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function after(outcome: Outcome, { tries = 1, earlierClientErrors = 0, isProbe = false, chance = 0.5 } = {}) {
  return decideAfterAttempt({ outcome, tries, earlierClientErrors, isProbe }, NOW, chance);
}

function waitMs(decision: ReturnType<typeof after>): number {
  return decision.kind === 'retry' ? decision.at.getTime() - NOW.getTime() : Number.NaN;
}

describe('decideAfterAttempt', () => {
  it.each([200, 201, 204, 299])('takes %d for delivered', (status) => {
    expect(after(answered(status))).toEqual({ kind: 'delivered' });
  });

  it('disables an endpoint that says it is gone, even by a probe', () => {
    expect(after(answered(410))).toEqual({ kind: 'disable-endpoint', because: 'gone' });
    expect(after(answered(410), { isProbe: true })).toEqual({ kind: 'disable-endpoint', because: 'gone' });
  });

  it.each([
    [answered(301), 'redirected'],
    [answered(308), 'redirected'],
    [answered(400), 'client-error'],
    [answered(408), 'throttled'],
    [answered(429), 'throttled'],
    [answered(500), 'server-error'],
    [{ kind: 'refused', because: 'private-address', durationMs: 1 } as const, 'refused'],
    [{ kind: 'failed', class: 'timeout', durationMs: 1 } as const, 'timeout'],
  ])('tries again after %j: %s', (outcome, because) => {
    expect(after(outcome)).toMatchObject({ kind: 'retry', because });
  });

  it('gives up after the tenth try, not before', () => {
    expect(after(answered(500), { tries: MAX_TRIES - 1 }).kind).toBe('retry');
    expect(after(answered(500), { tries: MAX_TRIES })).toEqual({ kind: 'exhausted', because: 'server-error' });
  });

  it('does not count a try that only probed whether the receiver is back', () => {
    expect(after(answered(500), { tries: MAX_TRIES, isProbe: true })).toEqual({
      kind: 'wait-for-breaker',
      because: 'server-error',
      letsOthersPass: false,
    });
  });

  it('lets later events pass one that was refused three times by the receiver itself', () => {
    expect(after(answered(422), { earlierClientErrors: 1 })).toMatchObject({ letsOthersPass: false });
    expect(after(answered(422), { earlierClientErrors: 2 })).toMatchObject({ letsOthersPass: true });
    expect(after(answered(429), { earlierClientErrors: 2 })).toMatchObject({ letsOthersPass: false });
  });
});

describe('the schedule', () => {
  it('spans 75 h 35 min 5 s in ten tries', () => {
    const total = WAITS_BEFORE_TRY_MS.reduce((sum, wait) => sum + wait, 0);

    expect(WAITS_BEFORE_TRY_MS).toHaveLength(10);
    expect(total).toBe(75 * HOUR + 35 * MINUTE + 5000);
  });

  it('spreads every wait by a fifth, the first retry only to the later side', () => {
    expect([waitBeforeTryMs(2, 0), waitBeforeTryMs(2, 1)]).toEqual([5000, 6000]);
    expect([waitBeforeTryMs(3, 0), waitBeforeTryMs(3, 1)]).toEqual([4 * MINUTE, 6 * MINUTE]);
    expect([waitBeforeTryMs(10, 0), waitBeforeTryMs(10, 1)]).toEqual([69_120_000, 103_680_000]);
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 1, 5500],
    ['60', 1, MINUTE],
    ['86400', 1, HOUR],
    ['9999999999', 5, 10 * HOUR],
    ['14400', 4, 4 * HOUR],
    ['Sun, 01 Mar 2026 12:10:00 GMT', 1, 10 * MINUTE],
    ['Sun, 01 Mar 2020 12:10:00 GMT', 1, 5500],
    ['soon', 1, 5500],
  ])('%j after try %d means %d ms', (retryAfter, tries, expectedMs) => {
    expect(waitMs(after(answered(503, retryAfter), { tries }))).toBe(expectedMs);
    expect(waitMs(after(answered(429, retryAfter), { tries }))).toBe(expectedMs);
  });

  it('counts only where the protocol gives it this meaning', () => {
    expect(waitMs(after(answered(500, '60')))).toBe(5500);
  });

  it.each(['', '-1', '1.5', '1e9', '99999999999', 'Sun, 99 Mar 2026 12:10:00 GMT', '2026-03-01'])(
    'cannot be %j',
    (value) => {
      expect(parseRetryAfterMs(value, NOW)).toBeNull();
    },
  );
});
