import type { Instance } from '../../instances/domain/instance.js';
import { addMs, earliest } from '../../platform/clock.js';
import { createSendWithinMs, type Limits } from './limits.js';

/** So many polls may pass until a listing and a look by name have shown that no machine came of a create. */
const POLLS_TO_PROVE = 6;

/**
 * When a purchase whose outcome is not known is given up at the latest: it has what is left of the time in the queue, and at
 * least what it takes to prove that no machine came of it.
 */
export function buyingEndsAt({ deadlineAt, phaseSince }: Instance, limits: Limits): Date {
  const answeredBy = addMs(phaseSince, createSendWithinMs(limits) + limits.createTimeoutMs);
  const provenBy = addMs(answeredBy, limits.visibilityWindowMs + POLLS_TO_PROVE * limits.pollMs);
  return deadlineAt !== null && deadlineAt > provenBy ? deadlineAt : provenBy;
}

/** A pause in the queue never outlasts the time that the order has there. */
export function queuedUntil({ deadlineAt }: Instance, pauseMs: number, now: Date): Date {
  return earliest(addMs(now, pauseMs), deadlineAt) ?? now;
}
