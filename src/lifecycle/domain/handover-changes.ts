import type { Change } from '../../instances/domain/change.js';
import { type Connection, type Instance, moveTo } from '../../instances/domain/instance.js';
import { type Placement, retire } from '../../instances/domain/placement.js';
import { addMs } from '../../platform/clock.js';
import { type OverlapLimits, predecessorEndsAt } from './decide-handover.js';
import type { Limits } from './limits.js';
import type { Reason } from './reason.js';

const YIELDED: Reason = {
  code: 'SPOT_RECLAIMED',
  message:
    'The spot machine is about to be taken back and was removed, as its replacement starts for longer than both may bill (HANDOVER_MAX_OVERLAP_SECONDS)',
};

/** The instance runs on its successor from now on; its predecessor goes within the time that both may bill, and before it is taken. */
export function handedOver(
  instance: Instance,
  predecessor: Placement,
  successor: Placement,
  connection: Connection,
  now: Date,
  limits: OverlapLimits,
): Change {
  const deadline = instance.replaceBy ?? now;
  const endsAt = predecessorEndsAt(successor, deadline, now, limits);
  const migrationTime = now.getTime() - (instance.noticedAt ?? now).getTime();
  return {
    before: instance,
    after: {
      ...instance,
      phaseSince: now,
      updatedAt: now,
      reasonCode: null,
      reasonMessage: null,
      connection,
      currentPlacementId: successor.id,
      successorPlacementId: null,
      replaceBy: null,
      nextCheckAt: addMs(now, limits.pollMs),
    },
    placements: [{ ...retire(predecessor, 'handed-over', now), nextCheckAt: endsAt }],
    event: {
      type: 'instance.migrated',
      actor: 'service',
      data: { predecessorEndsAt: endsAt.toISOString() },
      migration: { reason: 'spot_reclaim', triggeredBy: 'automatic_migration', migrationTime },
    },
  };
}

/** The predecessor goes though its successor is still coming up: a loss of our own making, shortly before the announced one. */
export function yielded(
  instance: Instance,
  predecessor: Placement,
  successor: Placement,
  now: Date,
  limits: Limits,
): Change {
  const { code, message } = YIELDED;
  return {
    before: instance,
    after: moveTo(instance, 'provisioning', now, {
      reasonCode: code,
      reasonMessage: message,
      deadlineAt: addMs(now, limits.startupTimeoutMs),
      nextCheckAt: now,
      connection: null,
      currentPlacementId: successor.id,
      successorPlacementId: null,
      replaceBy: null,
      lossCount: instance.lossCount + 1,
      lostAt: now,
      lossReason: 'spot_reclaim',
    }),
    placements: [retire(predecessor, 'handed-over', now)],
    event: { type: 'instance.exited', actor: 'service' },
  };
}
