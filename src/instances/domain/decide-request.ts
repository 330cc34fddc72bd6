import { addMs } from '../../platform/clock.js';
import type { Change } from './change.js';
import { canMove, type Instance, moveTo } from './instance.js';
import { isLive, type Placement, retire } from './placement.js';

export type UserAction = 'start' | 'stop' | 'restart' | 'delete';

export interface RequestLimits {
  readonly startupTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

/** `done`: it is so already, or on its way. `illegal`: the instance cannot do this from where it is. */
export type RequestDecision =
  { readonly kind: 'done' } | { readonly kind: 'change'; readonly change: Change } | { readonly kind: 'illegal' };

const UNDERWAY: Record<UserAction, readonly Instance['phase'][]> = {
  start: ['running', 'starting', 'probing', 'restarting'],
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
  const retired =
    action === 'delete'
      ? placements
          .filter((one) => isLive(one) && one.state !== 'retiring')
          .map((one) => retire(one, 'deleted-by-user', now))
      : [];
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
      // An instance without a machine is the migration's to bring back; it hears the wish as well.
      if (phase !== 'stopped' && phase !== 'exited') return null;
      return moveTo(instance, 'starting', now, {
        desired: 'running',
        action: 'start',
        deadlineAt: addMs(now, limits.startupTimeoutMs),
        nextCheckAt: now,
        stopRequestedAt: null,
      });
    case 'stop':
      return stopping(instance, now, limits);
    case 'restart':
      if (phase !== 'running') return null;
      return moveTo(instance, 'restarting', now, {
        action: 'restart',
        deadlineAt: addMs(now, limits.startupTimeoutMs),
        nextCheckAt: now,
        connection: null,
      });
  }
}

/** A machine that is lost already needs no stop: the wish alone keeps it from being brought back. */
function stopping(instance: Instance, now: Date, limits: RequestLimits): Instance | null {
  const wish = { desired: 'stopped', stopRequestedAt: now } as const;
  if (instance.phase === 'exited')
    return moveTo(instance, 'stopped', now, {
      ...wish,
      lostAt: null,
      lossReason: null,
      nextCheckAt: now,
      deadlineAt: null,
    });
  if (instance.phase !== 'running') return null;
  return moveTo(instance, 'stopping', now, {
    ...wish,
    action: 'stop',
    deadlineAt: addMs(now, limits.stopTimeoutMs),
    nextCheckAt: now,
  });
}
