import type { Instance } from '../../instances/domain/instance.js';
import { isLive, observedAt, type Placement } from '../../instances/domain/placement.js';
import { addMs, earliest } from '../../platform/clock.js';
import type { Facts } from './decide-step.js';
import { hasFailed, isMissing, isProvenAbsent } from './evidence.js';
import type { Limits } from './limits.js';
import { type Reason, reasonOfMachineError } from './reason.js';

/** What a running instance needs next whose machine is announced to be taken away, and that wants a successor beside it. */
export type HandoverStep =
  | { readonly kind: 'wait'; readonly until: Date | null }
  | { readonly kind: 'buy-successor' }
  | { readonly kind: 'look-up-successor'; readonly successor: Placement }
  | { readonly kind: 'confirm-successor'; readonly successor: Placement }
  | {
      readonly kind: 'inspect-successor';
      readonly successor: Placement;
      readonly novitaId: string;
      readonly predecessor: Placement;
    }
  | { readonly kind: 'drop-successor'; readonly successor: Placement; readonly reason: Reason }
  /** Both may not bill any longer and the announced end is near: the instance goes on where it is still coming up. */
  | { readonly kind: 'yield-to-successor'; readonly successor: Placement; readonly predecessor: Placement };

/** At most one machine beside the running one: the next is bought when the last one is gone for certain. */
export function decideHandover(facts: Facts, predecessor: Placement, now: Date, limits: Limits): HandoverStep {
  const { instance, placements } = facts;
  const successor = placements.find(({ id }) => id === instance.successorPlacementId) ?? null;
  const isUnknownYet = successor === null || successor.novitaId === null;
  if (isUnknownYet && isLater(instance.nextCheckAt, now)) return { kind: 'wait', until: instance.nextCheckAt };
  if (successor === null || !isLive(successor) || successor.state === 'retiring') {
    const isAlone = placements.every((one) => one.id === predecessor.id || !isLive(one));
    if (!isAlone) return { kind: 'wait', until: addMs(now, limits.pollMs) };
    const notBefore = successorNotBefore(instance, placements, limits);
    return isLater(notBefore, now) ? { kind: 'wait', until: notBefore } : { kind: 'buy-successor' };
  }
  if (successor.state === 'intended') return decideUnconfirmed(successor, limits);
  return decideConfirmed(facts, instance, predecessor, successor, now, limits);
}

function decideUnconfirmed(successor: Placement, limits: Limits): HandoverStep {
  if (successor.novitaId !== null) return { kind: 'confirm-successor', successor };
  return isProvenAbsent(successor, limits)
    ? { kind: 'drop-successor', successor, reason: NEVER_CAME }
    : { kind: 'look-up-successor', successor };
}

function decideConfirmed(
  { sweptAt }: Facts,
  instance: Instance,
  predecessor: Placement,
  successor: Placement,
  now: Date,
  limits: Limits,
): HandoverStep {
  const { novitaId, seenStatus } = successor;
  if (novitaId === null || isMissing(successor, limits) || seenStatus === 'removed' || seenStatus === 'removing')
    return { kind: 'drop-successor', successor, reason: GONE };
  if (hasFailed(successor))
    return {
      kind: 'drop-successor',
      successor,
      reason: successor.seenError ? reasonOfMachineError(successor.seenError) : EXITED,
    };
  const bothBillUntil = overlapEndsAt(successor, limits);
  if (now >= bothBillUntil)
    // Without a notice nobody takes the predecessor: a successor that costs too much is given up, and never the machine that runs.
    return instance.noticePlacementId === predecessor.id && now >= lastTryAt(instance, now, limits)
      ? { kind: 'yield-to-successor', successor, predecessor }
      : { kind: 'drop-successor', successor, reason: OVERLAP_CAP };
  const seenAt = observedAt(successor, sweptAt);
  const timeoutMs = limits.startupTimeoutMs + (instance.readiness?.timeoutSeconds ?? 0) * 1000;
  if (seenAt !== null && seenAt >= addMs(successor.createdAt, timeoutMs))
    return { kind: 'drop-successor', successor, reason: TOO_SLOW };
  // At once, however long it was to be waited for: every second counts against the predecessor's end.
  if (seenStatus === 'running') return { kind: 'inspect-successor', successor, novitaId, predecessor };
  return { kind: 'wait', until: earliest(bothBillUntil, addMs(now, limits.pollMs)) };
}

/** From here on until the announced end there is no time for one more whole overlap. */
function lastTryAt({ replaceBy }: Instance, now: Date, { handoverMaxOverlapMs }: OverlapLimits): Date {
  return addMs(replaceBy ?? now, -handoverMaxOverlapMs);
}

/** Where a machine takes longer to come up than two may bill, one more is bought only as late as the last try. Null: at once. */
function successorNotBefore(instance: Instance, placements: readonly Placement[], limits: Limits): Date | null {
  const since = instance.noticedAt ?? instance.phaseSince;
  const isKnownAsSlow = placements.some(
    ({ retireReason, createdAt }) => retireReason === OVERLAP_CAP.code && createdAt >= since,
  );
  return isKnownAsSlow || limits.handoverMaxOverlapMs === 0 ? lastTryAt(instance, since, limits) : null;
}

/** The last tenth of the time that two may bill is for the delete, and for a process that dies over it. */
export const OVERLAP_USED = 0.9;

export type OverlapLimits = Pick<Limits, 'pollMs' | 'handoverMaxOverlapMs'>;

/** Both bill from the successor's image pull on. */
function overlapEndsAt(successor: Placement, { handoverMaxOverlapMs }: OverlapLimits): Date {
  return addMs(successor.billedFrom ?? successor.createdAt, OVERLAP_USED * handoverMaxOverlapMs);
}

/** Until when the predecessor may stay beside its successor; it is gone by our own hand before the provider takes it. */
export function predecessorEndsAt(successor: Placement, deadline: Date, now: Date, limits: OverlapLimits): Date {
  const end = Math.min(overlapEndsAt(successor, limits).getTime(), deadline.getTime() - 2 * limits.pollMs);
  return new Date(Math.max(now.getTime(), end));
}

/** Longer after each successor that came to nothing. */
export function successorPauseMs(instance: Instance, placements: readonly Placement[]): number {
  const since = instance.noticedAt ?? instance.phaseSince;
  const tries = placements.filter(
    ({ id, createdAt, state }) =>
      id !== instance.currentPlacementId && createdAt >= since && state !== 'refused' && state !== 'confirmed',
  ).length;
  return Math.min(300_000, 5000 * 2 ** Math.min(tries, 6));
}

const NEVER_CAME: Reason = { code: 'CREATE_UNCONFIRMED', message: 'The replacement never came to be' };
const GONE: Reason = { code: 'MACHINE_GONE', message: 'The replacement is no longer there' };
const EXITED: Reason = { code: 'EXITED_DURING_STARTUP', message: 'The replacement ended while it was starting' };
const OVERLAP_CAP: Reason = {
  code: 'OVERLAP_CAP',
  message: 'The replacement was not ready within the time that two machines may bill',
};
const TOO_SLOW: Reason = { code: 'STARTUP_TIMEOUT', message: 'The replacement did not become ready in time' };

function isLater(instant: Date | null, now: Date): instant is Date {
  return instant !== null && instant > now;
}
