import type { Action, Instance, Phase } from '../../instances/domain/instance.js';
import { isLive, isReclaimAnnounced, observedAt, type Placement } from '../../instances/domain/placement.js';
import { addMs, earliest } from '../../platform/clock.js';
import { decideHandover, type HandoverStep } from './decide-handover.js';
import { hasFailed, isMissing, isProvenAbsent, isRestartAwaited, showsRestart } from './evidence.js';
import {
  CREATE_UNCONFIRMED,
  DELETE_UNCONFIRMED,
  lossReason,
  minutes,
  queueReason,
  type Reason,
  reasonOfMachineError,
  startupTimeout,
} from './reason.js';
import type { Limits } from './limits.js';
import { lookAgainAt } from './look-again.js';
import { buyingEndsAt } from './purchase-times.js';
import { restartAgainAt, restartShowsBy } from './restart-times.js';

/** What an instance needs next. Every step is harmless when it is taken twice. */
export type Step =
  | { readonly kind: 'wait'; readonly until: Date | null }
  | { readonly kind: 'buy' }
  | { readonly kind: 'look-up'; readonly placement: Placement }
  | { readonly kind: 'abandon'; readonly placement: Placement }
  | { readonly kind: 'confirm'; readonly placement: Placement }
  | { readonly kind: 'advance'; readonly phase: Phase }
  | { readonly kind: 'finish-stop' }
  | { readonly kind: 'stop-again' }
  | { readonly kind: 'inspect'; readonly placement: Placement; readonly novitaId: string }
  | { readonly kind: 'call'; readonly action: Action; readonly placement: Placement; readonly novitaId: string }
  | { readonly kind: 'verify-gone'; readonly placement: Placement; readonly novitaId: string }
  | { readonly kind: 'lose'; readonly placement: Placement; readonly reason: Reason }
  | { readonly kind: 'requeue'; readonly placement: Placement; readonly reason: Reason }
  /** A listing showed the machine on its way: what shows it running from now on shows it restarted. */
  | { readonly kind: 'confirm-restart' }
  /** The machine was running all the while: it is left running, and its user is told that it may not have been restarted. */
  | { readonly kind: 'give-up-restart' }
  /** Somebody else restarted the machine, whose ways in are others afterwards. */
  | { readonly kind: 'follow-restart' }
  | { readonly kind: 'fail'; readonly reason: Reason }
  | { readonly kind: 'finish-delete' }
  /** Nothing moves, and the user is told why. */
  | { readonly kind: 'explain'; readonly reason: Reason }
  /** The migration's business: it is woken, and the row is left alone. */
  | { readonly kind: 'hand-on' }
  | HandoverStep;

export interface Facts {
  readonly instance: Instance;
  readonly placements: readonly Placement[];
  /** When the latest complete listing was begun; what it did not contradict was still so then. */
  readonly sweptAt: Date | null;
}

const WAIT: Step = { kind: 'wait', until: null };

/** What one instance needs next, given what is wanted, what was seen and the time. */
export function decideStep(facts: Facts, now: Date, limits: Limits): Step {
  const { instance } = facts;
  const placement = currentOf(facts);
  switch (instance.phase) {
    case 'deleting':
      return decideDeleting(facts, now, limits);
    case 'queued':
      return decideQueued(instance, now);
    case 'buying':
      return decideBuying(instance, placement, now, limits);
    case 'provisioning':
    case 'pulling':
    case 'starting':
    case 'probing':
    case 'restarting':
      return decideComingUp(facts, placement, now, limits);
    case 'running':
      return decideRunning(facts, placement, now, limits);
    case 'stopping':
      return decideStopping(facts, placement, now, limits);
    case 'stopped':
      return decideStopped(facts, placement, now, limits);
    case 'exited':
    case 'migrating':
      return { kind: 'hand-on' };
    case 'failed':
    case 'deleted':
      return WAIT;
  }
}

export function currentOf({ instance, placements }: Facts): Placement | null {
  return placements.find((placement) => placement.id === instance.currentPlacementId) ?? null;
}

/** A machine of ours that upstream knows. */
function isConfirmed(placement: Placement | null): placement is Placement & { novitaId: string } {
  return placement !== null && placement.state === 'confirmed' && placement.novitaId !== null;
}

/** It never fails: what may still bill is deleted for ever. Past its time it says so. */
function decideDeleting({ instance, placements }: Facts, now: Date, limits: Limits): Step {
  if (!placements.some(isLive)) return { kind: 'finish-delete' };
  const isLate = now >= addMs(instance.phaseSince, limits.stopTimeoutMs);
  if (isLate && instance.reasonCode === null) return { kind: 'explain', reason: DELETE_UNCONFIRMED };
  // Not left to the job that the last machine's end brings: a process can die with it in its hands.
  return { kind: 'wait', until: lookAgainAt(instance, now, limits) };
}

function decideQueued(instance: Instance, now: Date): Step {
  if (isPast(instance.deadlineAt, now)) return { kind: 'fail', reason: queueReason(instance) };
  return isLater(instance.nextCheckAt, now) ? { kind: 'wait', until: instance.nextCheckAt } : { kind: 'buy' };
}

function decideBuying(instance: Instance, placement: Placement | null, now: Date, limits: Limits): Step {
  if (placement === null || placement.state === 'refused' || placement.state === 'abandoned')
    return { kind: 'fail', reason: { code: 'INTERNAL_ERROR', message: 'The order lost its machine; order again' } };
  if (placement.novitaId !== null) return { kind: 'confirm', placement };
  // The row's next check is the lease of the replica that is waiting for create's answer.
  if (isLater(instance.nextCheckAt, now)) return { kind: 'wait', until: instance.nextCheckAt };
  // What may have come of it is looked for on, and removed, after the order has failed.
  if (buyingEndsAt(instance, limits) <= now) return { kind: 'fail', reason: CREATE_UNCONFIRMED };
  return isProvenAbsent(placement, limits) ? { kind: 'abandon', placement } : { kind: 'look-up', placement };
}

function decideComingUp(facts: Facts, placement: Placement | null, now: Date, limits: Limits): Step {
  const { instance, sweptAt } = facts;
  if (!isConfirmed(placement)) return lost();
  const { novitaId } = placement;
  const owed = owedAction(instance);
  if (owed !== null)
    return isLater(instance.nextCheckAt, now)
      ? { kind: 'wait', until: instance.nextCheckAt }
      : { kind: 'call', action: owed, placement, novitaId };
  if (isMissing(placement, limits)) return { kind: 'verify-gone', placement, novitaId };
  const seenAt = observedAt(placement, sweptAt);
  const isFresh = seenAt !== null && isSettled(instance, seenAt, limits);
  if (isFresh && placement.seenStatus === 'running') {
    if (!isRestartAwaited(instance)) return { kind: 'inspect', placement, novitaId };
    if (isOverdue(instance, seenAt) || seenAt >= restartShowsBy(instance, limits)) return { kind: 'give-up-restart' };
    return seenAt >= restartAgainAt(instance, limits)
      ? { kind: 'call', action: 'restart', placement, novitaId }
      : { kind: 'inspect', placement, novitaId };
  }
  if (isRestartSeen(instance, placement, seenAt)) return { kind: 'confirm-restart' };
  if (isFresh && hasFailed(placement)) return onBadStart(instance, placement, seenAt, limits, novitaId, now);
  if (isOverdue(instance, seenAt)) return { kind: 'fail', reason: startupTimeout(limits) };
  const phase = isFresh ? phaseOf(placement) : null;
  return phase !== null && phase !== instance.phase && isBringUp(instance.phase)
    ? { kind: 'advance', phase }
    : { kind: 'wait', until: earliest(instance.deadlineAt, lookAgainAt(instance, now, limits)) };
}

/** It ran when the restart was sent, so that any other status since is the restart's. */
function isRestartSeen(instance: Instance, { seenStatus }: Placement, seenAt: Date | null): boolean {
  if (!isRestartAwaited(instance) || seenAt === null || instance.actionSentAt === null) return false;
  return seenAt > instance.actionSentAt && showsRestart(seenStatus);
}

/** The phase was entered by a wish whose call was not sent yet. */
function owedAction(instance: Instance): Action | null {
  return instance.actionSentAt === null ? instance.action : null;
}

function onBadStart(
  instance: Instance,
  placement: Placement,
  seenAt: Date,
  limits: Limits,
  novitaId: string,
  now: Date,
): Step {
  const wasStarted = instance.actionSentAt !== null;
  if (placement.seenStatus === 'exited' && wasStarted) {
    // The old status may stand for a while after start was accepted.
    const repeatAt = addMs(instance.actionSentAt ?? seenAt, limits.repeatActionMs);
    if (seenAt < repeatAt) return { kind: 'wait', until: addMs(now, limits.pollMs) };
    return isOverdue(instance, seenAt)
      ? { kind: 'fail', reason: startupTimeout(limits) }
      : { kind: 'call', action: 'start', placement, novitaId };
  }
  // Restarted by somebody else, and ended: as lost as if it had ended without that.
  if (placement.seenStatus === 'exited' && instance.phase === 'restarting')
    return { kind: 'lose', placement, reason: lossReason(instance, placement, seenAt) };
  if (placement.seenStatus === 'exited' && placement.seenSpotStatus === 'terminated')
    return {
      kind: 'requeue',
      placement,
      reason: { code: 'SPOT_RECLAIMED', message: 'The spot machine was reclaimed while it was starting' },
    };
  if (/INSUFFICIENT_RESOURCE/.test(placement.seenError ?? ''))
    return {
      kind: 'requeue',
      placement,
      reason: { code: 'NO_CAPACITY', message: 'The chosen place had no free machine after all' },
    };
  if (placement.seenError) return { kind: 'fail', reason: reasonOfMachineError(placement.seenError) };
  return {
    kind: 'fail',
    reason: {
      code: 'EXITED_DURING_STARTUP',
      message: "The container ended while it was starting; check the template's command",
    },
  };
}

function decideRunning(facts: Facts, placement: Placement | null, now: Date, limits: Limits): Step {
  const { instance, sweptAt } = facts;
  if (!isConfirmed(placement)) return lost();
  if (isMissing(placement, limits)) return { kind: 'verify-gone', placement, novitaId: placement.novitaId };
  const seenAt = observedAt(placement, sweptAt);
  // What was seen before the machine became ready says nothing about it now.
  if (seenAt === null || seenAt <= instance.phaseSince)
    return { kind: 'wait', until: lookAgainAt(instance, now, limits) };
  if (placement.seenStatus === 'exited' || placement.seenStatus === 'removed' || placement.seenStatus === 'removing')
    return { kind: 'lose', placement, reason: lossReason(instance, placement, seenAt) };
  if (isNews(instance, placement)) return { kind: 'hand-on' };
  if (instance.replaceBy !== null) return decideHandover(facts, placement, now, limits);
  return placement.seenStatus === 'restarting' || placement.seenStatus === 'starting'
    ? { kind: 'follow-restart' }
    : WAIT;
}

/** A notice that nobody was told of, one that was taken back, or a move by the provider. */
function isNews(instance: Instance, placement: Placement): boolean {
  if (placement.seenStatus !== 'running') return placement.seenStatus === 'migrating';
  const isKnown = instance.noticePlacementId === placement.id;
  return isReclaimAnnounced(placement, instance.phaseSince) !== isKnown;
}

function decideStopping(facts: Facts, placement: Placement | null, now: Date, limits: Limits): Step {
  const { instance, sweptAt } = facts;
  if (!isConfirmed(placement)) return lost();
  const { novitaId } = placement;
  const seenAt = observedAt(placement, sweptAt);
  const sentAt = instance.actionSentAt;
  if (sentAt !== null && seenAt !== null && seenAt > sentAt && placement.seenStatus === 'exited')
    return { kind: 'finish-stop' };
  if (isMissing(placement, limits)) return { kind: 'verify-gone', placement, novitaId };
  if (isOverdue(instance, seenAt))
    return {
      kind: 'fail',
      reason: {
        code: 'STOP_TIMEOUT',
        message: `The machine did not stop within ${minutes(limits.stopTimeoutMs)} and was removed`,
      },
    };
  if (sentAt === null)
    return isLater(instance.nextCheckAt, now)
      ? { kind: 'wait', until: instance.nextCheckAt }
      : { kind: 'call', action: 'stop', placement, novitaId };
  const isIgnored =
    placement.seenStatus === 'running' && seenAt !== null && seenAt >= addMs(sentAt, limits.repeatActionMs);
  return isIgnored
    ? { kind: 'call', action: 'stop', placement, novitaId }
    : { kind: 'wait', until: lookAgainAt(instance, now, limits) };
}

/** Stopped is stopped: a machine that somebody started behind our back would bill unseen, one that is gone is told of. */
function decideStopped({ instance, sweptAt }: Facts, placement: Placement | null, now: Date, limits: Limits): Step {
  if (!isConfirmed(placement)) return WAIT;
  if (isMissing(placement, limits)) return { kind: 'verify-gone', placement, novitaId: placement.novitaId };
  const seenAt = observedAt(placement, sweptAt);
  const isNews = seenAt !== null && seenAt > addMs(instance.phaseSince, limits.settleMs);
  if (!isNews) return { kind: 'wait', until: lookAgainAt(instance, now, limits) };
  return placement.seenStatus === 'running' ? { kind: 'stop-again' } : WAIT;
}

/** An observation counts once it is later than the action by the time that upstream may go on showing the old status. */
function isSettled(instance: Instance, seenAt: Date, limits: Limits): boolean {
  return instance.actionSentAt === null || seenAt >= addMs(instance.actionSentAt, limits.settleMs);
}

/** Past its deadline, and looked at since: while upstream is silent, time alone proves nothing. */
function isOverdue(instance: Instance, seenAt: Date | null): boolean {
  return instance.deadlineAt !== null && seenAt !== null && seenAt >= instance.deadlineAt;
}

function isBringUp(phase: Phase): boolean {
  return phase === 'provisioning' || phase === 'pulling' || phase === 'starting';
}

function phaseOf(placement: Placement): Phase | null {
  switch (placement.seenStatus) {
    case 'creating':
      return 'provisioning';
    case 'pulling':
      return 'pulling';
    case 'starting':
      return 'starting';
    default:
      return null;
  }
}

function lost(): Step {
  return { kind: 'fail', reason: { code: 'MACHINE_LOST', message: 'The machine is no longer there; order again' } };
}

function isPast(instant: Date | null, now: Date): boolean {
  return instant !== null && instant <= now;
}

function isLater(instant: Date | null, now: Date): boolean {
  return instant !== null && instant > now;
}
