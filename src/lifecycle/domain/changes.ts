import type { Change, EventDraft } from '../../instances/domain/change.js';
import {
  type Connection,
  type Instance,
  isMigrations,
  isRecovering,
  moveTo,
  type Phase,
} from '../../instances/domain/instance.js';
import { isLive, type Placement, retire } from '../../instances/domain/placement.js';
import { addMs } from '../../platform/clock.js';
import type { Limits } from './limits.js';
import type { Reason } from './reason.js';

/** What the machine did while this was being decided is not news any more: one later look finds it. */
function onceMore(now: Date, limits: Limits): Date {
  return addMs(now, limits.pollMs);
}

const FAILED: EventDraft = { type: 'instance.failed', actor: 'service' };

/** Whatever was bought for it is removed, so that a failed instance does not bill. */
export function failed(instance: Instance, placements: readonly Placement[], reason: Reason, now: Date): Change {
  if (isRecovering(instance) && !isMigrations(instance.phase)) return recoveryFailed(instance, placements, reason, now);
  return {
    before: instance,
    after: moveTo(instance, 'failed', now, {
      reasonCode: reason.code,
      reasonMessage: reason.message,
      deadlineAt: null,
      nextCheckAt: null,
      connection: null,
    }),
    placements: retireAll(placements, reason.code, now),
    event: FAILED,
  };
}

/** An attempt to bring a lost instance back has failed; whether there is another one is for the migration to say. */
function recoveryFailed(instance: Instance, placements: readonly Placement[], reason: Reason, now: Date): Change {
  return {
    before: instance,
    after: moveTo(instance, 'exited', now, {
      reasonCode: reason.code,
      reasonMessage: reason.message,
      deadlineAt: null,
      nextCheckAt: now,
      connection: null,
      currentPlacementId: null,
      successorPlacementId: null,
      recoveryTrigger: null,
    }),
    placements: retireAll(placements, reason.code, now),
    event: { type: 'instance.migration_failed', actor: 'service' },
  };
}

export function retireAll(placements: readonly Placement[], reason: string, now: Date): Placement[] {
  return placements
    .filter((placement) => isLive(placement) && placement.state !== 'retiring')
    .map((placement) => retire(placement, reason, now));
}

/** The machine is lost though it is wanted; what to do about it is for the migration to say. */
export function lost(instance: Instance, reason: Reason, now: Date): Change {
  return {
    before: instance,
    after: moveTo(instance, 'exited', now, {
      reasonCode: reason.code,
      reasonMessage: reason.message,
      deadlineAt: null,
      nextCheckAt: now,
      connection: null,
      replaceBy: null,
      lossCount: instance.lossCount + 1,
      lostAt: now,
      lossReason: reason.code === 'SPOT_RECLAIMED' ? 'spot_reclaim' : 'interrupted',
    }),
    event: { type: 'instance.exited', actor: 'upstream' },
  };
}

/** Back to the queue for another machine; the one it had is removed. A first order keeps within its own time for all tries. */
export function requeued(instance: Instance, placement: Placement, reason: Reason, now: Date, limits: Limits): Change {
  const firstOrder = addMs(instance.createdAt, limits.queueTimeoutMs + limits.startupTimeoutMs);
  return {
    before: instance,
    after: moveTo(instance, 'queued', now, {
      reasonCode: reason.code,
      reasonMessage: reason.message,
      deadlineAt: instance.readyAt === null ? firstOrder : addMs(now, limits.queueTimeoutMs),
      nextCheckAt: now,
      currentPlacementId: null,
      connection: null,
    }),
    placements: [retire(placement, reason.code, now)],
  };
}

/** The machine never came to be; the order goes on under a new name, within the time it had. */
export function abandoned(instance: Instance, placement: Placement, now: Date): Change {
  return {
    before: instance,
    after: moveTo(instance, 'queued', now, { nextCheckAt: now, currentPlacementId: null }),
    placements: [{ ...placement, state: 'abandoned', updatedAt: now }],
  };
}

export function deleted(instance: Instance, now: Date): Change {
  return {
    before: instance,
    after: moveTo(instance, 'deleted', now, { deletedAt: now, deadlineAt: null, nextCheckAt: null, connection: null }),
    event: { type: 'instance.deleted', actor: 'service' },
  };
}

export function explained(instance: Instance, { code, message }: Reason, now: Date): Change {
  return {
    before: instance,
    after: { ...instance, reasonCode: code, reasonMessage: message, updatedAt: now },
    event: { type: 'instance.decided', actor: 'service', data: { decision: 'wait' } },
  };
}

/** On its way up: the phase follows what upstream shows, the deadline stays. */
export function progressed(instance: Instance, phase: Phase, now: Date): Change {
  const { action, actionSentAt, actionAnsweredAt, deadlineAt } = instance;
  return {
    before: instance,
    after: moveTo(instance, phase, now, { deadlineAt, nextCheckAt: now, action, actionSentAt, actionAnsweredAt }),
  };
}

/** The order has its machine; from now on the time to start counts, which the time in the queue did not. */
export function bought(instance: Instance, placement: Placement, now: Date, limits: Limits): Change {
  const deadlineAt = addMs(now, limits.startupTimeoutMs);
  return {
    before: instance,
    after: moveTo(instance, 'provisioning', now, { deadlineAt, nextCheckAt: now }),
    placements: [{ ...placement, state: 'confirmed', updatedAt: now }],
  };
}

/** Somebody else started the machine of an instance that is to be stopped. */
export function stoppedAgain(instance: Instance, now: Date, limits: Limits): Change {
  const change = {
    action: 'stop',
    stopRequestedAt: now,
    deadlineAt: addMs(now, limits.stopTimeoutMs),
    nextCheckAt: now,
  } as const;
  return {
    before: instance,
    after: moveTo(instance, 'stopping', now, change),
    event: { type: 'instance.progressed', actor: 'upstream' },
  };
}

export function stopped(instance: Instance, now: Date, limits: Limits): Change {
  return {
    before: instance,
    after: moveTo(instance, 'stopped', now, {
      deadlineAt: null,
      nextCheckAt: onceMore(now, limits),
      connection: null,
    }),
    event: { type: 'instance.stopped', actor: 'service' },
  };
}

/** Ready to be used. The first time is `ready`, after a loss `migrated`, after a stop or restart `started`. */
export function ready(instance: Instance, connection: Connection, now: Date, limits: Limits): Change {
  const after = moveTo(instance, 'running', now, {
    connection,
    readyAt: instance.readyAt ?? now,
    deadlineAt: null,
    nextCheckAt: onceMore(now, limits),
    probeStartedAt: null,
    probeLastSeen: null,
    stopRequestedAt: null,
    lostAt: null,
    lossReason: null,
    recoveryTrigger: null,
  });
  return { before: instance, after, event: readyEvent(instance, now) };
}

function readyEvent(instance: Instance, now: Date): EventDraft {
  if (instance.readyAt === null) return { type: 'instance.ready', actor: 'service' };
  if (instance.lostAt === null) return { type: 'instance.started', actor: 'service' };
  const migrationTime = now.getTime() - instance.lostAt.getTime();
  const triggeredBy = instance.recoveryTrigger ?? 'automatic_migration';
  return {
    type: 'instance.migrated',
    actor: 'service',
    migration: { reason: instance.lossReason ?? 'spot_reclaim', triggeredBy, migrationTime },
  };
}

/** Up as far as upstream can tell; now the application inside has to answer. */
export function probing(
  instance: Instance,
  connection: Connection,
  now: Date,
  lastSeen: string | null,
  nextCheckAt: Date,
): Change {
  const probeStartedAt = instance.phase === 'probing' ? (instance.probeStartedAt ?? now) : now;
  const change = { connection, probeStartedAt, probeLastSeen: lastSeen, nextCheckAt, updatedAt: now };
  const after = instance.phase === 'probing' ? { ...instance, ...change } : moveTo(instance, 'probing', now, change);
  return { before: instance, after };
}

/** A start that was refused for good leaves machine and data where they are. */
export function startRefused(instance: Instance, reason: Reason, now: Date, limits: Limits): Change {
  const { code: reasonCode, message: reasonMessage } = reason;
  const after = moveTo(instance, 'stopped', now, {
    desired: 'stopped',
    lostAt: null,
    lossReason: null,
    recoveryTrigger: null,
    deadlineAt: null,
    nextCheckAt: onceMore(now, limits),
    reasonCode,
    reasonMessage,
  });
  return { before: instance, after };
}

/** The machine runs as before, by the ways in that were known: the restart was refused, or nothing showed that it was carried out. */
export function restartFailed(instance: Instance, reason: Reason, now: Date, limits: Limits): Change {
  return {
    before: instance,
    after: moveTo(instance, 'running', now, {
      deadlineAt: null,
      nextCheckAt: onceMore(now, limits),
      reasonCode: reason.code,
      reasonMessage: reason.message,
    }),
  };
}

/** It took effect; the machine has yet to come up. */
export function restartSeen(instance: Instance, now: Date, limits: Limits): Change {
  return {
    before: instance,
    after: { ...instance, action: null, nextCheckAt: addMs(now, limits.pollMs), updatedAt: now },
  };
}

/** Somebody else restarted the machine: how to get in is read anew once it is up. */
export function restartFollowed(instance: Instance, now: Date, limits: Limits): Change {
  return {
    before: instance,
    after: moveTo(instance, 'restarting', now, {
      deadlineAt: addMs(now, limits.startupTimeoutMs),
      nextCheckAt: now,
      connection: null,
    }),
    event: { type: 'instance.progressed', actor: 'upstream' },
  };
}
