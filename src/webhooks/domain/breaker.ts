import { heeding } from './retry-schedule.js';

/** One endpoint's recent luck; stored with the endpoint, so every replica sees the same. */
export interface Breaker {
  failuresInRow: number;
  /** Null while closed. While open, the earliest time of the next probe. */
  nextProbeAt: Date | null;
  failedProbes: number;
  /** Since when not one try has succeeded; null while the last one did. */
  failingSince: Date | null;
}

/** `probe`: send one event, the oldest if it can be, and only that one. Only one replica at a time works on a receiver, so nobody else probes. */
export type Passage = 'send' | 'probe' | 'wait';

export interface Recovery {
  breaker: Breaker;
  /** The receiver is back: everything that waits for it becomes due now. */
  pullsForward: boolean;
}

export const CLOSED_BREAKER: Breaker = { failuresInRow: 0, nextProbeAt: null, failedProbes: 0, failingSince: null };

const FAILURES_UNTIL_OPEN = 5;
const FIRST_PROBE_AFTER_MS = 30_000;
const PROBE_AT_LEAST_EVERY_MS = 5 * 60_000;
const DISABLE_AFTER_MS = 5 * 24 * 3_600_000;

export function choosePassage(breaker: Breaker, now: Date): Passage {
  if (!breaker.nextProbeAt) return 'send';
  return breaker.nextProbeAt <= now ? 'probe' : 'wait';
}

export function afterSuccess(breaker: Breaker): Recovery {
  // Only after an outage: a single event that a healthy receiver refuses would else use up its tries within seconds.
  return { breaker: CLOSED_BREAKER, pullsForward: breaker.nextProbeAt !== null };
}

/** @param wishedMs how long the receiver asks to be left alone, if it does */
export function afterFailure(
  breaker: Breaker,
  passage: 'send' | 'probe',
  now: Date,
  wishedMs: number | null = null,
): Breaker {
  const counted = { ...breaker, failuresInRow: breaker.failuresInRow + 1, failingSince: breaker.failingSince ?? now };
  if (!breaker.nextProbeAt) {
    return counted.failuresInRow < FAILURES_UNTIL_OPEN
      ? counted
      : { ...counted, nextProbeAt: nextProbeAt(0, now, wishedMs) };
  }
  // A try that was under way when the breaker opened says nothing about the next probe, unless it asks for patience.
  if (passage === 'send') {
    const wished = wishedMs === null ? breaker.nextProbeAt : nextProbeAt(breaker.failedProbes, now, wishedMs);
    return { ...counted, nextProbeAt: wished > breaker.nextProbeAt ? wished : breaker.nextProbeAt };
  }
  const failedProbes = breaker.failedProbes + 1;
  return { ...counted, failedProbes, nextProbeAt: nextProbeAt(failedProbes, now, wishedMs) };
}

/** Not one success for five days: the endpoint is switched off and its events are held. */
export function isToBeDisabled(breaker: Breaker, now: Date): boolean {
  return breaker.failingSince !== null && now.getTime() - breaker.failingSince.getTime() >= DISABLE_AFTER_MS;
}

function nextProbeAt(failedProbes: number, now: Date, wishedMs: number | null): Date {
  const waitMs = Math.min(FIRST_PROBE_AFTER_MS * 2 ** Math.min(failedProbes, 10), PROBE_AT_LEAST_EVERY_MS);
  return new Date(now.getTime() + heeding(wishedMs, waitMs));
}
