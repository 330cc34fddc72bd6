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
  const { novitaId, deleteSentAt, missingSince, missingAt } = placement;
  const next = addMs(now, pauseMs(placement.retireAttempts, limits));
  if (placement.nextCheckAt !== null && placement.nextCheckAt > now)
    return { kind: 'wait', until: placement.nextCheckAt };
  if (novitaId === null) return isProvenAbsent(placement, limits) ? { kind: 'gone' } : { kind: 'look-up' };
  if (deleteSentAt === null) return { kind: 'delete', novitaId };
  // Two complete listings apart, both begun after the delete, without it.
  if (missingSince !== null && missingAt !== null && missingSince > deleteSentAt && missingAt > missingSince)
    return { kind: 'gone' };
  const isAnswered = missingSince !== null && missingSince > deleteSentAt;
  const isIgnored = !isAnswered && now >= addMs(deleteSentAt, pauseMs(placement.retireAttempts, limits));
  return isIgnored ? { kind: 'delete', novitaId } : { kind: 'wait', until: next };
}

/** 2, 4, 8 … times a poll, at most two minutes: a delete that upstream ignores is repeated for ever, but not hammered. */
export function pauseMs(attempts: number, limits: Limits): number {
  return Math.min(120_000, limits.repeatActionMs * 2 ** Math.min(attempts, 10));
}
