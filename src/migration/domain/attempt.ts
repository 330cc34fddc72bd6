import type { Instance } from '../../instances/domain/instance.js';

/**
 * `elsewhere`: another machine is bought and this one removed; `platform`: the provider moves it without our doing;
 * `start-up`: the machine runs again and only has to become ready.
 */
export type Means = 'start' | 'migrate' | 'elsewhere' | 'platform' | 'successor' | 'replace' | 'start-up';
export type AttemptState = 'open' | 'migrated' | 'failed' | 'cancelled' | 'skipped' | 'planned';
export type Cause = 'spot_reclaim' | 'interrupted' | 'platform_migration' | 'notice';
export type TriggeredBy = 'automatic_migration' | 'manual_migration';

/** One decision and why; repeated ones are written once. */
export interface AttemptStep {
  readonly at: string;
  readonly decision: string;
  readonly because: string;
}

/** What was decided and done about one instance that lost its machine, or is about to. */
export interface Attempt {
  readonly id: string;
  readonly executionId: string | null;
  readonly instanceId: string;
  readonly teamId: string;
  readonly placementId: string | null;
  readonly cause: Cause;
  readonly triggeredBy: TriggeredBy;
  readonly state: AttemptState;
  readonly because: string;
  readonly message: string | null;
  /** Calls that were sent, in their order. */
  readonly tried: readonly Means[];
  readonly means: Means | null;
  readonly sentAt: Date | null;
  readonly answeredAt: Date | null;
  readonly steps: readonly AttemptStep[];
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

export function newAttempt(id: string, instance: Instance, cause: Cause, now: Date): Attempt {
  return {
    id,
    executionId: null,
    instanceId: instance.id,
    teamId: instance.teamId,
    placementId: instance.currentPlacementId,
    cause,
    triggeredBy: instance.recoveryTrigger === 'manual_migration' ? 'manual_migration' : 'automatic_migration',
    state: 'open',
    because: '',
    message: null,
    tried: [],
    means: null,
    sentAt: null,
    answeredAt: null,
    steps: [],
    startedAt: now,
    endedAt: null,
  };
}

/** Every decision is kept with its reason, but a wait that goes on is not told again. */
export function withStep(attempt: Attempt, decision: string, because: string, now: Date): Attempt {
  const last = attempt.steps.at(-1);
  if (last?.decision === decision && last.because === because) return attempt;
  return { ...attempt, because, steps: [...attempt.steps, { at: now.toISOString(), decision, because }] };
}

export function ended(attempt: Attempt, state: AttemptState, because: string, at: Date): Attempt {
  return { ...withStep(attempt, state, because, at), state, endedAt: at };
}

/** How an open attempt ended, once its instance is at rest again. Null: it is still under way. */
export function endingOf(
  attempt: Attempt,
  instance: Instance,
): { readonly state: AttemptState; readonly because: string } | null {
  switch (instance.phase) {
    case 'running':
      return endingOfRunning(attempt, instance);
    case 'stopping':
    case 'stopped':
      return { state: 'cancelled', because: 'stopped-by-user' };
    case 'deleting':
    case 'deleted':
      return { state: 'cancelled', because: 'deleted' };
    case 'failed':
      return { state: 'failed', because: instance.reasonCode ?? 'failed' };
    case 'exited':
      return endingOfExited(attempt, instance);
    default:
      return null;
  }
}

function endingOfRunning(attempt: Attempt, instance: Instance): ReturnType<typeof endingOf> {
  if (instance.lostAt !== null) return null;
  if (attempt.cause !== 'notice') return { state: 'migrated', because: 'running-again' };
  if (instance.currentPlacementId !== attempt.placementId) return { state: 'migrated', because: 'handed-over' };
  return instance.replaceBy === null ? { state: 'cancelled', because: 'notice-withdrawn' } : null;
}

/** Back in `exited`: lost once more after it was brought back, or what the lifecycle was to bring up did not come up. */
function endingOfExited(attempt: Attempt, { lostAt, reasonCode }: Instance): ReturnType<typeof endingOf> {
  if (attempt.cause === 'notice') return { state: 'cancelled', because: 'lost-before-handover' };
  if (lostAt !== null && lostAt > attempt.startedAt) return { state: 'migrated', because: 'running-again' };
  const isHandedToLifecycle =
    attempt.means === 'elsewhere' || attempt.means === 'successor' || attempt.means === 'start-up';
  return isHandedToLifecycle ? { state: 'failed', because: reasonCode ?? 'failed' } : null;
}
