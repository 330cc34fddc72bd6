import { describe, expect, it } from '@jest/globals';
import { judgeAttempt, type Tried } from './attempt.js';
import { type Breaker, CLOSED_BREAKER } from './breaker.js';
import type { Outcome } from './outcome.js';

const NOW = new Date('2026-01-15T10:00:00Z');
const FRESH: Tried = { attempts: 0, clientErrors: 0, parked: false, nextAttemptAt: NOW };
const PARKED: Tried = { attempts: 3, clientErrors: 3, parked: true, nextAttemptAt: NOW };
const OPEN: Breaker = { failuresInRow: 5, nextProbeAt: NOW, failedProbes: 0, failingSince: NOW };

function answered(status: number): Outcome {
  return { kind: 'answered', status, bytes: 0, durationMs: 1 };
}

describe('what a try means for its receiver', () => {
  it.each([422, 500])('counts a failure with %d as one more in a row', (status) => {
    expect(judgeAttempt(FRESH, CLOSED_BREAKER, false, answered(status), NOW, 0.5).breaker).toMatchObject({
      failuresInRow: 1,
      failingSince: NOW,
    });
  });

  it('says nothing new when an event that was refused often is refused again', () => {
    const before: Breaker = { ...CLOSED_BREAKER, failuresInRow: 4, failingSince: NOW };

    const consequence = judgeAttempt(PARKED, before, false, answered(422), NOW, 0.5);

    expect(consequence).toMatchObject({ state: 'pending', attempts: 4, parked: true, breaker: before });
  });

  it('counts when the receiver of such an event is down', () => {
    const before: Breaker = { ...CLOSED_BREAKER, failuresInRow: 4, failingSince: NOW };

    const { breaker } = judgeAttempt(PARKED, before, false, answered(503), NOW, 0.5);

    expect(breaker.nextProbeAt).not.toBeNull();
  });

  it('spaces the probes that such an event does not pass, and uses up none of its tries', () => {
    const consequence = judgeAttempt(PARKED, OPEN, true, answered(422), NOW, 0.5);

    expect(consequence).toMatchObject({ attempts: 3, breaker: { failedProbes: 1 } });
  });

  it('lets the next ones pass an event that was refused three times, probes included', () => {
    const second = judgeAttempt({ ...FRESH, attempts: 1, clientErrors: 1 }, OPEN, true, answered(422), NOW, 0.5);
    const third = judgeAttempt({ ...FRESH, attempts: 1, clientErrors: 2 }, OPEN, true, answered(422), NOW, 0.5);

    expect(second).toMatchObject({ state: 'pending', attempts: 1, clientErrors: 2, parked: false });
    expect(third).toMatchObject({ state: 'pending', attempts: 1, clientErrors: 3, parked: true });
  });

  it.each([500, 429])('does not take a probe’s %d for a refusal of the event', (status) => {
    const consequence = judgeAttempt({ ...FRESH, clientErrors: 2 }, OPEN, true, answered(status), NOW, 0.5);

    expect(consequence).toMatchObject({ clientErrors: 2, parked: false });
  });

  it('does not look again before the time that the receiver has asked for', () => {
    const before: Breaker = { ...CLOSED_BREAKER, failuresInRow: 4, failingSince: NOW };
    const throttled: Outcome = { kind: 'answered', status: 429, retryAfter: '3600', bytes: 0, durationMs: 1 };

    const { breaker } = judgeAttempt(FRESH, before, false, throttled, NOW, 0.5);

    expect(breaker.nextProbeAt).toEqual(new Date(NOW.getTime() + 3_600_000));
  });
});
