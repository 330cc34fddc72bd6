import type { Placement } from '../../instances/domain/placement.js';
import { addMs } from '../../platform/clock.js';
import { isProvenAbsent } from './decide-step.js';
import type { Limits } from './limits.js';

export type Retirement =
  | { readonly kind: 'wait'; readonly until: Date }
  | { readonly kind: 'look-up' }
  | { readonly kind: 'delete'; readonly novitaId: string }
  | { readonly kind: 'gone' };

/** What brings a machine that nobody wants nearer to being gone for certain. It is never given up. */
export function decideRetirement(placement: Placement, now: Date, limits: Limits): Retirement {
  const { novitaId, nextCheckAt } = placement;
  if (novitaId === null ? isProvenAbsent(placement, limits) : isSeenGone(placement)) return { kind: 'gone' };
  if (nextCheckAt !== null && nextCheckAt > now) return { kind: 'wait', until: nextCheckAt };
  if (novitaId === null) return { kind: 'look-up' };
  if (!isAnswered(placement)) return { kind: 'delete', novitaId };
  return { kind: 'wait', until: addMs(now, pauseMs(placement.retireAttempts, limits)) };
}

/** Two complete listings apart, both begun after the delete, without the machine. */
function isSeenGone(placement: Placement): boolean {
  const { missingSince, missingAt } = placement;
  return isAnswered(placement) && missingSince !== null && missingAt !== null && missingAt > missingSince;
}

function isAnswered({ deleteSentAt, missingSince }: Placement): boolean {
  return deleteSentAt !== null && missingSince !== null && missingSince > deleteSentAt;
}

/** Twice, four, eight … times as long, at most half a minute: a delete that upstream ignores is repeated for ever, but not hammered. */
export function pauseMs(attempts: number, limits: Limits): number {
  return Math.min(30_000, limits.repeatActionMs * 2 ** Math.min(attempts, 10));
}
