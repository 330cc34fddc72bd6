import { addMs } from '../../platform/clock.js';
import type { Change } from './change.js';
import { canMove, type Instance, isRecovering, moveTo, type Phase } from './instance.js';
import { isLive, type Placement, retire } from './placement.js';

export type UserAction = 'start' | 'stop' | 'restart' | 'delete';

export interface RequestLimits {
  readonly queueTimeoutMs: number;
  readonly startupTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** `done`: it is so already, or on its way. `illegal`: the instance cannot do this from where it is. */
export type RequestDecision =
  { readonly kind: 'done' } | { readonly kind: 'change'; readonly change: Change } | { readonly kind: 'illegal' };

const UNDERWAY: Record<UserAction, readonly Instance['phase'][]> = {
  start: ['running', 'starting', 'probing', 'restarting', 'migrating'],
  stop: ['stopped', 'stopping'],
  restart: ['restarting'],
  delete: ['deleting', 'deleted'],
};

/** What a user's wish changes. Only the wish and its phase are written; the reconciler makes it so. */
export function decideRequest(
  action: UserAction,
  instance: Instance,
  placements: readonly Placement[],
  actor: string,
  now: Date,
  limits: RequestLimits,
): RequestDecision {
  if (UNDERWAY[action].includes(instance.phase)) return { kind: 'done' };
  const after = wished(action, instance, now, limits);
  if (after === null) return { kind: 'illegal' };
  const retired = placements
    .filter((one) => isLive(one) && one.state !== 'retiring' && isLeftBehind(one, action, after))
    .map((one) => retire(one, action === 'delete' ? 'deleted-by-user' : 'not-wanted-any-more', now));
  const type = after.phase === 'stopped' ? 'instance.stopped' : 'instance.progressed';
  return {
    kind: 'change',
    change: {
      before: instance,
      after,
      placements: retired,
      event: { type, actor: `user:${actor}`, data: { wish: action } },
    },
  };
}

/** A deletion takes every machine; otherwise only what the instance does not name any more goes. */
function isLeftBehind(placement: Placement, action: UserAction, after: Instance): boolean {
  if (action === 'delete') return true;
  return placement.id !== after.currentPlacementId && placement.id !== after.successorPlacementId;
}

function wished(action: UserAction, instance: Instance, now: Date, limits: RequestLimits): Instance | null {
  const { phase } = instance;
  switch (action) {
    case 'delete':
      return canMove(phase, 'deleting')
        ? moveTo(instance, 'deleting', now, {
            desired: 'deleted',
            deadlineAt: null,
            nextCheckAt: now,
            connection: null,
          })
        : null;
    case 'start':
      if (phase !== 'stopped' && phase !== 'exited') return null;
      if (instance.currentPlacementId === null)
        return moveTo(instance, 'queued', now, {
          desired: 'running',
          deadlineAt: addMs(now, limits.queueTimeoutMs),
          nextCheckAt: now,
          stopRequestedAt: null,
          recoveryTrigger: phase === 'exited' ? 'manual_migration' : null,
        });
      return moveTo(instance, 'starting', now, {
        desired: 'running',
        recoveryTrigger: phase === 'exited' ? 'manual_migration' : null,
        action: 'start',
        deadlineAt: addMs(now, limits.startupTimeoutMs),
        nextCheckAt: now,
        stopRequestedAt: null,
        // What was bought to take over would go on beside the machine that is started.
        successorPlacementId: null,
      });
    case 'stop':
      return stopping(instance, now, limits);
    case 'restart':
      if (phase !== 'running') return null;
      return moveTo(instance, 'restarting', now, {
        action: 'restart',
        deadlineAt: addMs(now, limits.startupTimeoutMs),
        nextCheckAt: now,
        // Not shown meanwhile: that its ports and passwords are others afterwards is what shows that a restart took effect.
        successorPlacementId: null,
      });
  }
}

/** On its way back from a loss, with a machine that may be up at any moment. */
const COMING_BACK: readonly Phase[] = ['migrating', 'provisioning', 'pulling', 'starting', 'probing'];

/** A machine that is lost already needs no stop: the wish alone keeps it from being brought back. */
function stopping(instance: Instance, now: Date, limits: RequestLimits): Instance | null {
  const wish = {
    desired: 'stopped',
    stopRequestedAt: now,
    replaceBy: null,
    successorPlacementId: null,
    lostAt: null,
    lossReason: null,
    recoveryTrigger: null,
  } as const;
  const { phase } = instance;
  if (phase === 'exited') return moveTo(instance, 'stopped', now, { ...wish, nextCheckAt: now, deadlineAt: null });
  // Another machine is being bought, and nothing on it is worth keeping.
  if (isRecovering(instance) && (phase === 'queued' || phase === 'buying'))
    return moveTo(instance, 'stopped', now, { ...wish, nextCheckAt: now, deadlineAt: null, currentPlacementId: null });
  if (phase !== 'running' && !(isRecovering(instance) && COMING_BACK.includes(phase))) return null;
  return moveTo(instance, 'stopping', now, {
    ...wish,
    action: 'stop',
    deadlineAt: addMs(now, limits.stopTimeoutMs),
    nextCheckAt: now,
  });
}
