import type { Instance } from '../../instances/domain/instance.js';
import { addMs } from '../../platform/clock.js';
import type { Limits } from './limits.js';

const NEVER = new Date(8.64e15);
/** In times of the pause after which an action is repeated. */
const SHOWS_WITHIN = 3;

/** When a restart that was accepted should have shown; until then the old status and the old ways in may stand. */
export function restartShowsBy({ actionAnsweredAt }: Instance, { repeatActionMs }: Limits): Date {
  return actionAnsweredAt === null ? NEVER : addMs(actionAnsweredAt, SHOWS_WITHIN * repeatActionMs);
}

/**
 * One that was accepted is never sent again. One that may have been taken is, ever more rarely, as each that takes effect unseen is
 * an interruption.
 */
export function restartAgainAt(
  { actionSentAt, actionAnsweredAt, phaseSince }: Instance,
  { repeatActionMs }: Limits,
): Date {
  if (actionAnsweredAt !== null) return NEVER;
  const sentAt = actionSentAt ?? phaseSince;
  return addMs(sentAt, Math.max(repeatActionMs, sentAt.getTime() - phaseSince.getTime()));
}
