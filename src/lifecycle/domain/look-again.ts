import type { Instance } from '../../instances/domain/instance.js';
import { addMs } from '../../platform/clock.js';
import type { Limits } from './limits.js';

/** However long a phase lasts, it is looked at this often, or at every poll where those are rarer. */
const RAREST_LOOK_MS = 10_000;

/** The listing wakes whom it has news of, so a phase that lasts is looked at less often, but past its deadline. */
export function lookAgainAt({ phaseSince, deadlineAt }: Instance, now: Date, { pollMs }: Limits): Date {
  if (deadlineAt !== null && deadlineAt <= now) return addMs(now, pollMs);
  const rarerMs = Math.min(RAREST_LOOK_MS, (now.getTime() - phaseSince.getTime()) / 4);
  return addMs(now, Math.max(pollMs, rarerMs));
}
