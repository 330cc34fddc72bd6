import type { Change } from '../../instances/domain/change.js';
import { type Instance, moveTo } from '../../instances/domain/instance.js';
import { isLive, type Placement, retire } from '../../instances/domain/placement.js';
import type { NovitaErrorClass } from '../../novita/novita.errors.js';
import { addMs } from '../../platform/clock.js';
import type { Situation } from './classify.js';

export interface RecoveryTimes {
  readonly queueTimeoutMs: number;
  readonly startupTimeoutMs: number;
}

/** Why the instance is where it is stays to be read while it is brought back. */
function keptReason({ reasonCode, reasonMessage }: Instance) {
  return { reasonCode, reasonMessage };
}

const MOVED_BY_PROVIDER = {
  reasonCode: 'PLATFORM_MIGRATION',
  reasonMessage: 'The provider is moving the machine to another node; it comes back by itself',
};

/** A call is about to be sent; the next check is the lease of the replica that sends it. */
export function underway(instance: Instance, leaseUntil: Date, now: Date): Change {
  return {
    before: instance,
    after: moveTo(instance, 'migrating', now, { ...keptReason(instance), nextCheckAt: leaseUntil, deadlineAt: null }),
  };
}

/** The provider moves the machine by itself: that is watched, and nothing is sent meanwhile. */
export function followed(instance: Instance, now: Date, nextCheckAt: Date): Change {
  const lost = instance.lostAt === null ? { lostAt: now, lossReason: 'platform_migration' } : {};
  const reason = instance.reasonCode === null ? MOVED_BY_PROVIDER : keptReason(instance);
  return {
    before: instance,
    after: moveTo(instance, 'migrating', now, { ...reason, ...lost, connection: null, nextCheckAt }),
    event: { type: 'instance.progressed', actor: 'upstream' },
  };
}

/** Back to where the next means is chosen. */
export function backToExited(instance: Instance, nextCheckAt: Date, now: Date): Change {
  return { before: instance, after: moveTo(instance, 'exited', now, { ...keptReason(instance), nextCheckAt }) };
}

/** The machine runs again; that it is ready to be used is for the lifecycle to find out. */
export function comingUp(instance: Instance, now: Date, times: RecoveryTimes): Change {
  const deadlineAt = addMs(now, times.startupTimeoutMs);
  const change = { ...keptReason(instance), deadlineAt, nextCheckAt: now };
  return { before: instance, after: moveTo(instance, 'starting', now, change) };
}

/** Another machine is to be bought; the one it had is removed. */
export function elsewhere(
  instance: Instance,
  placements: readonly Placement[],
  now: Date,
  times: RecoveryTimes,
): Change {
  const deadlineAt = addMs(now, times.queueTimeoutMs);
  const change = {
    ...keptReason(instance),
    deadlineAt,
    nextCheckAt: now,
    currentPlacementId: null,
    successorPlacementId: null,
    connection: null,
  };
  return {
    before: instance,
    after: moveTo(instance, 'queued', now, change),
    placements: retireOthers(placements, null, 'replaced', now),
  };
}

/** Lost before the hand-over: the machine that was bought for it takes its place as it is. */
export function adopted(
  instance: Instance,
  successor: Placement,
  placements: readonly Placement[],
  now: Date,
  times: RecoveryTimes,
): Change {
  const phase = successor.state === 'confirmed' ? 'provisioning' : 'buying';
  return {
    before: instance,
    after: moveTo(instance, phase, now, {
      ...keptReason(instance),
      deadlineAt: addMs(now, times.startupTimeoutMs),
      nextCheckAt: now,
      currentPlacementId: successor.id,
      successorPlacementId: null,
    }),
    placements: retireOthers(placements, successor.id, 'replaced', now),
  };
}

export function givenUp(instance: Instance, placements: readonly Placement[], now: Date): Change {
  const because = instance.reasonMessage ?? 'no attempt succeeded';
  return {
    before: instance,
    after: moveTo(instance, 'failed', now, {
      reasonCode: 'MIGRATION_ERROR',
      reasonMessage: `The machine was lost and the instance could not be brought back: ${because}`,
      deadlineAt: null,
      nextCheckAt: null,
      connection: null,
    }),
    placements: retireOthers(placements, null, 'given-up', now),
    event: { type: 'instance.failed', actor: 'service' },
  };
}

/** The provider refuses for a reason that no other machine would mend: machine and data stay, and it is tried again. */
export function heldUp(instance: Instance, errorClass: NovitaErrorClass, nextCheckAt: Date, now: Date): Change {
  const { code, message } = HELD_UP[errorClass] ?? REFUSED;
  const isNews = instance.reasonCode !== code;
  const after = moveTo(instance, 'exited', now, { reasonCode: code, reasonMessage: message, nextCheckAt });
  return {
    before: instance,
    after,
    ...(isNews && { event: { type: 'instance.migration_failed', actor: 'service' } as const }),
  };
}

/** Refusals that say nothing about the machine. */
export function isHeldUpBy(errorClass: NovitaErrorClass): boolean {
  return errorClass in HELD_UP;
}

const REFUSED = { code: 'NOVITA_API_ERROR', message: 'The provider refused to bring the machine back' };
const HELD_UP: Partial<Record<NovitaErrorClass, { code: string; message: string }>> = {
  balance: {
    code: 'INSUFFICIENT_BALANCE',
    message: "The provider account's balance is too low to bring the machine back; top it up",
  },
  auth: {
    code: 'NOVITA_AUTH_FAILED',
    message: "The provider rejected this service's API key; its operator must check NOVITA_API_KEY",
  },
  quota: {
    code: 'QUOTA_EXCEEDED',
    message: "The provider account's quota is used up; delete instances or have the quota raised",
  },
};

/** The user is told once for each notice, with the time until which state can be saved. */
export function noticed(
  instance: Instance,
  placement: Placement,
  { deadline, isAssumed }: Extract<Situation, { kind: 'notice' }>,
  wantsSuccessor: boolean,
  now: Date,
): Change {
  const isKnown = instance.noticePlacementId === placement.id;
  const after: Instance = {
    ...instance,
    noticePlacementId: placement.id,
    noticeDeadlineAt: deadline,
    noticedAt: isKnown ? instance.noticedAt : now,
    replaceBy: wantsSuccessor ? deadline : instance.replaceBy,
    nextCheckAt: wantsSuccessor ? now : null,
    updatedAt: now,
  };
  if (isKnown) return { before: instance, after };
  const { spotPolicy } = instance;
  const reclaim = { deadline: deadline.toISOString(), deadlineIsAssumed: isAssumed, spotPolicy };
  return {
    before: instance,
    after,
    event: { type: 'instance.reclaim_notice', actor: 'upstream', data: reclaim, reclaim },
  };
}

/** The provider took its notice back; a successor that was not bought yet is not wanted any more. */
export function noticeWithdrawn(instance: Instance, now: Date): Change {
  const replaceBy = instance.successorPlacementId === null ? null : instance.replaceBy;
  const after = {
    ...instance,
    noticePlacementId: null,
    noticeDeadlineAt: null,
    replaceBy,
    nextCheckAt: replaceBy === null ? null : now,
    updatedAt: now,
  };
  return {
    before: instance,
    after,
    event: { type: 'instance.decided', actor: 'upstream', data: { decision: 'notice-withdrawn' } },
  };
}

function retireOthers(placements: readonly Placement[], kept: string | null, reason: string, now: Date): Placement[] {
  return placements
    .filter((one) => one.id !== kept && isLive(one) && one.state !== 'retiring')
    .map((one) => retire(one, reason, now));
}
