import type { Placement } from '../../instances/domain/placement.js';
import { addMs, earliest } from '../../platform/clock.js';
import { createdBy, isProvenAbsent } from './evidence.js';
import type { Limits } from './limits.js';

export type Retirement =
  | { readonly kind: 'wait'; readonly until: Date }
  | { readonly kind: 'look-up' }
  | { readonly kind: 'delete'; readonly novitaId: string }
  | { readonly kind: 'gone' };

/** What brings a machine that nobody wants nearer to being gone for certain. It is never given up. */
export function decideRetirement(placement: Placement, now: Date, limits: Limits): Retirement {
  const { novitaId, nextCheckAt } = placement;
  if (novitaId === null ? isProvenAbsent(placement, limits) : isSeenGone(placement, limits)) return { kind: 'gone' };
  if (nextCheckAt !== null && nextCheckAt > now) return { kind: 'wait', until: nextCheckAt };
  if (novitaId === null) return { kind: 'look-up' };
  if (!isAnswered(placement)) return { kind: 'delete', novitaId };
  return { kind: 'wait', until: addMs(now, pauseMs(placement.retireAttempts, limits)) };
}

/**
 * Two complete listings apart without it, the later one begun after the delete; it may have been missing before. A machine
 * that no listing has shown yet may only be hidden: it existed when the delete was sent, so it shows within the window.
 */
function isSeenGone(placement: Placement, limits: Limits): boolean {
  const { missingSince, missingAt, deleteSentAt, lastSeenAt } = placement;
  if (!isAnswered(placement) || missingSince === null || missingAt === null || missingAt <= missingSince) return false;
  const madeBy = earliest(createdBy(placement, limits), deleteSentAt);
  return lastSeenAt !== null || madeBy === null || missingAt >= addMs(madeBy, limits.visibilityWindowMs);
}

function isAnswered({ deleteSentAt, missingAt }: Placement): boolean {
  return deleteSentAt !== null && missingAt !== null && missingAt > deleteSentAt;
}

/** Twice, four, eight … times as long, at most half a minute: a delete that upstream ignores is repeated for ever, but not hammered. */
export function pauseMs(attempts: number, limits: Limits): number {
  return Math.min(30_000, limits.repeatActionMs * 2 ** Math.min(attempts, 10));
}
