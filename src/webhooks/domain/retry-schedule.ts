import type { FailureClass, Outcome } from './outcome.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** How long to wait before each try: ten tries over 75 h 35 min 5 s, the example of the Standard Webhooks specification. */
export const WAITS_BEFORE_TRY_MS: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

export const MAX_TRIES = WAITS_BEFORE_TRY_MS.length;

/** After so many refusals with a 4xx the receiver has understood the event and does not want it: the next ones go ahead. */
const CLIENT_ERRORS_UNTIL_PARKED = 3;
const JITTER = 0.2;

export type AttemptFailure = FailureClass | 'refused' | 'redirected' | 'client-error' | 'throttled' | 'server-error';

export interface AttemptFacts {
  outcome: Outcome;
  /** Counts from one, this try included. */
  tries: number;
  /** Earlier tries of this delivery that got a 4xx other than 408 and 429. */
  earlierClientErrors: number;
  /** Sent while the endpoint's breaker was open, to see whether the receiver is back. */
  isProbe: boolean;
}

export type AfterAttempt =
  | { kind: 'delivered' }
  | { kind: 'retry'; at: Date; because: AttemptFailure; letsOthersPass: boolean }
  /** The try does not count: the delivery waits until the breaker lets it go again. */
  | { kind: 'wait-for-breaker'; because: AttemptFailure; letsOthersPass: boolean }
  | { kind: 'exhausted'; because: AttemptFailure }
  | { kind: 'disable-endpoint'; because: 'gone' };

/** What happens to a delivery after a try. `chance` is uniform in [0, 1). */
export function decideAfterAttempt(facts: AttemptFacts, now: Date, chance: number): AfterAttempt {
  const { outcome } = facts;
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status <= 299) return { kind: 'delivered' };
  if (outcome.kind === 'answered' && outcome.status === 410) return { kind: 'disable-endpoint', because: 'gone' };
  const because = classifyFailure(outcome);
  const clientErrors = facts.earlierClientErrors + (because === 'client-error' ? 1 : 0);
  const letsOthersPass = clientErrors >= CLIENT_ERRORS_UNTIL_PARKED;
  if (facts.isProbe) return { kind: 'wait-for-breaker', because, letsOthersPass };
  if (facts.tries >= MAX_TRIES) return { kind: 'exhausted', because };
  return { kind: 'retry', at: nextTryAt(facts, now, chance), because, letsOthersPass };
}

/** The wait before try `n` (from one), ±20 %; the first retry is never early, or it would hit a receiver that still restarts. */
export function waitBeforeTryMs(n: number, chance: number): number {
  const plain = WAITS_BEFORE_TRY_MS[Math.min(n, MAX_TRIES) - 1] ?? 0;
  const deviation = n <= 2 ? chance : 2 * chance - 1;
  return Math.round(plain * (1 + JITTER * deviation));
}

/** Milliseconds from `now`, out of seconds or an HTTP date; null when it is neither. */
export function parseRetryAfterMs(value: string, now: Date): number | null {
  if (/^\d{1,10}$/.test(value)) return Number(value) * SECOND;
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}

export function classifyFailure(outcome: Outcome): AttemptFailure {
  if (outcome.kind === 'refused') return 'refused';
  if (outcome.kind === 'failed') return outcome.class;
  if (outcome.status === 408 || outcome.status === 429) return 'throttled';
  if (outcome.status >= 500) return 'server-error';
  return outcome.status >= 400 ? 'client-error' : 'redirected';
}

/** A receiver may ask for patience, but not park a delivery for ever, nor hurry us. */
export function heeding(wishedMs: number | null, waitMs: number): number {
  return wishedMs === null ? waitMs : Math.min(Math.max(wishedMs, waitMs), Math.max(2 * waitMs, HOUR));
}

function nextTryAt(facts: AttemptFacts, now: Date, chance: number): Date {
  const waitMs = waitBeforeTryMs(facts.tries + 1, chance);
  return new Date(now.getTime() + heeding(wishedWaitMs(facts.outcome, now), waitMs));
}

/** What the answer's Retry-After asks for; null when it asks for nothing. */
export function wishedWaitMs(outcome: Outcome, now: Date): number | null {
  if (outcome.kind !== 'answered' || outcome.retryAfter === undefined) return null;
  return outcome.status === 429 || outcome.status === 503 ? parseRetryAfterMs(outcome.retryAfter, now) : null;
}
