import { addMs } from '../../platform/clock.js';
import type { Breaker } from './breaker.js';
import { afterFailure, afterSuccess, isToBeDisabled } from './breaker.js';
import type { DisabledReason } from './endpoint.js';
import type { Outcome } from './outcome.js';
import { decideAfterAttempt, wishedWaitMs } from './retry-schedule.js';

export interface Tried {
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date;
}

/** What one try means for its delivery and for its receiver. */
export interface Consequence {
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date | null;
  /** Null for a success. */
  readonly because: string | null;
  readonly breaker: Breaker;
  readonly disabledBecause: DisabledReason | null;
  readonly pullsForward: boolean;
}

const TRY_GONE_AGAIN_AFTER_MS = 24 * 3_600_000;

/** `chance` is uniform in [0, 1). */
export function judgeAttempt(
  tried: Tried,
  breaker: Breaker,
  isProbe: boolean,
  outcome: Outcome,
  now: Date,
  chance: number,
): Consequence {
  const tries = tried.attempts + 1;
  const verdict = decideAfterAttempt({ outcome, tries, earlierClientErrors: tried.clientErrors, isProbe }, now, chance);
  const { clientErrors, parked } = tried;
  if (verdict.kind === 'delivered') {
    const recovery = afterSuccess(breaker);
    const delivered = { state: 'delivered', nextAttemptAt: null, because: null, disabledBecause: null } as const;
    return { ...delivered, ...recovery, attempts: tries, clientErrors, parked };
  }
  // A receiver that has refused this event often enough is not down for refusing it once more.
  const isOldRefusal = parked && !isProbe && verdict.because === 'client-error';
  const failed = isOldRefusal
    ? breaker
    : afterFailure(breaker, isProbe ? 'probe' : 'send', now, wishedWaitMs(outcome, now));
  const facts = { because: verdict.because, breaker: failed, pullsForward: false };
  const disabledBecause = isToBeDisabled(failed, now) ? 'failing' : null;
  const refusals = clientErrors + (verdict.because === 'client-error' ? 1 : 0);
  switch (verdict.kind) {
    case 'wait-for-breaker': {
      const isParked = parked || verdict.letsOthersPass;
      return { ...facts, ...tried, state: 'pending', clientErrors: refusals, parked: isParked, disabledBecause };
    }
    case 'exhausted':
      return { ...facts, state: 'failed', attempts: tries, clientErrors, parked, nextAttemptAt: null, disabledBecause };
    case 'disable-endpoint':
      // The event is held: switching the receiver on again sends it.
      return {
        ...facts,
        ...tried,
        state: 'pending',
        nextAttemptAt: addMs(now, TRY_GONE_AGAIN_AFTER_MS),
        disabledBecause: 'gone',
      };
    case 'retry': {
      const waiting = { state: 'pending', attempts: tries, nextAttemptAt: verdict.at } as const;
      return {
        ...facts,
        ...waiting,
        clientErrors: refusals,
        parked: parked || verdict.letsOthersPass,
        disabledBecause,
      };
    }
  }
}
