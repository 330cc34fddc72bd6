import { type Instance, isAtRest } from '../../src/instances/domain/instance.js';
import { isLive, type Placement } from '../../src/instances/domain/placement.js';
import { createSendWithinMs, limitsOf } from '../../src/lifecycle/domain/limits.js';
import type { MachineOrder } from '../../src/novita/novita-client.js';
import type { Settings } from '../../src/platform/config.js';
import type { Committed, FakeDatabase } from '../fakes/fake-database.js';
import type { CallWitness } from '../fakes/fake-novita-client.js';
import { isDueForMigration } from '../fakes/fake-repositories.js';
import type { FakeUpstream, UpstreamMachine } from '../fakes/fake-upstream.js';
import type { Actor } from '../fakes/scheduler.js';

export const OWN_PREFIX = 'gpusvc-sim-';
/** Far below the pause after which a delete may be repeated. */
const DELETES_APART_MS = 5000;
/** Longer than a commit may take to follow the answer that it is about. */
const ID_KEPT_WITHIN_MS = 400;
/** Longer than due work waits for somebody who looks for it. */
const LOOKED_AT_WITHIN_MS = 20_000;

interface AnsweredCreate {
  readonly name: string;
  readonly novitaId: string;
  readonly atMs: number;
  readonly actor: Actor;
}

/** Watches over one run: what may never be, checked at the commit or the call that would make it so. */
export class Judge implements CallWitness {
  readonly violations: string[] = [];
  private readonly sentNames = new Set<string>();
  /** How many calls the committed intents of a machine allow, by action. */
  private readonly startsBefore = new Map<string, number>();
  private readonly intents = new Map<string, number>();
  private readonly sequences = new Map<string, number>();
  private readonly answeredIds = new Set<string>();
  private readonly createWithinMs: number;
  private answered: AnsweredCreate[] = [];

  constructor(
    private readonly database: FakeDatabase,
    private readonly upstream: FakeUpstream,
    private readonly settings: Settings,
  ) {
    const limits = limitsOf(settings);
    this.createWithinMs = createSendWithinMs(limits) + limits.createTimeoutMs;
  }

  report(violation: string): void {
    this.violations.push(violation);
  }

  // ---- calls, at the moment they leave the process

  onCreateSent({ name }: MachineOrder): void {
    if (this.sentNames.has(name)) this.report(`create was sent twice for ${name}`);
    this.sentNames.add(name);
    const placement = this.byName(name);
    if (placement === null) this.report(`create was sent before the intent of ${name} was committed`);
  }

  onCreateAnswered({ name }: MachineOrder, novitaId: string, actor: Actor): void {
    this.answeredIds.add(novitaId);
    const placement = this.byName(name);
    if (placement?.novitaId === null)
      this.answered.push({ name, novitaId, atMs: this.database.scheduler.nowMs, actor });
  }

  onActionSent(action: string, novitaId: string): void {
    const machine = this.upstream.find(novitaId);
    if (machine !== null && !machine.name.startsWith(OWN_PREFIX)) {
      this.report(`the foreign machine ${machine.name} was touched: ${action}`);
      return;
    }
    const placement = this.holderOf(novitaId);
    if (action === 'delete') this.checkDelete(novitaId, placement);
    else this.checkAction(action, placement);
  }

  // ---- commits

  onCommit({ instances, placements, attempts, events }: Committed): void {
    for (const { before, after } of placements) this.checkPlacement(before, after);
    for (const { before, after } of instances) this.checkInstance(before, after);
    for (const { before, after } of attempts)
      if (after.sentAt !== null && after.sentAt !== before?.sentAt)
        this.allow(`${after.means} for ${after.instanceId}`);
    for (const { instanceId, sequence } of events) {
      const last = this.sequences.get(instanceId) ?? 0;
      if (sequence !== last + 1) this.report(`event ${sequence} of ${instanceId} follows ${last}`);
      this.sequences.set(instanceId, sequence);
    }
    for (const { after } of instances)
      if (after.eventSequence !== (this.sequences.get(after.id) ?? 0))
        this.report(`${after.id} counts ${after.eventSequence} events, the log ${this.sequences.get(after.id) ?? 0}`);
  }

  // ---- after every step

  checkStep(): void {
    const { nowMs } = this.database.scheduler;
    for (const { name, novitaId, atMs, actor } of this.answered) {
      const isExcused = actor.isDead || actor.pausedUntil > atMs || this.database.faults.failure > 0;
      const placement = this.byName(name);
      if (isExcused || placement?.novitaId !== null) this.answered = this.answered.filter((one) => one.name !== name);
      else if (nowMs > atMs + ID_KEPT_WITHIN_MS)
        this.report(`create was answered with ${novitaId}, but ${name} does not know it`);
    }
  }

  // ---- at the end, when the faults have stopped

  /** Null when everything has come to where it belongs; otherwise the first thing that has not. */
  whatIsUnsettled(): string | null {
    for (const placement of this.database.placements.values())
      if (placement.state === 'retiring' || placement.state === 'intended')
        return `placement ${placement.id} is ${placement.state}`;
    for (const instance of this.database.instances.values()) {
      const problem = this.misfit(instance);
      if (problem !== null) return problem;
    }
    for (const machine of this.ownMachines())
      if (this.claimOf(machine) === null) return `machine ${machine.id} (${machine.name}) bills and nobody claims it`;
    return null;
  }

  private misfit(instance: Instance): string | null {
    const { id, phase, desired } = instance;
    const machines = this.ownMachines().filter((machine) => this.byName(machine.name)?.instanceId === id);
    const at = `${id} is ${phase} (wished: ${desired})`;
    if (phase !== 'running' && phase !== 'exited' && !isAtRest(phase)) return at;
    if ((phase === 'failed' || phase === 'deleted') && machines.length > 0) return `${at} and ${machines[0]?.id} bills`;
    if (phase === 'failed') return instance.reasonCode === null ? `${at} without a reason` : null;
    if (desired === 'deleted') return phase === 'deleted' ? null : at;
    const problem = this.unrest(instance);
    if (problem !== null) return `${at}, ${problem}`;
    const current = machines.find((machine) => this.claimOf(machine)?.id === instance.currentPlacementId);
    if (desired === 'stopped')
      return phase === 'stopped' && current?.status !== 'running' ? null : `${at}, its machine ${current?.status}`;
    if (phase === 'exited') return isToComeBack(instance) ? at : null;
    return phase === 'running' && current?.status === 'running' ? null : `${at}, its machine ${current?.status}`;
  }

  /** Nothing is looked at over and over, and nothing bills beside the machine that the instance names. */
  private unrest(instance: Instance): string | null {
    const { id, phase, nextCheckAt, currentPlacementId, replaceBy } = instance;
    const { scheduler } = this.database;
    const dueForMs = scheduler.nowMs - (nextCheckAt?.getTime() ?? Infinity);
    if (dueForMs > LOOKED_AT_WITHIN_MS) return `due for ${dueForMs} ms`;
    if (phase === 'running' && isDueForMigration(this.database, instance, scheduler.now())) return 'due for migration';
    if (replaceBy !== null) return null;
    const beside = this.database.placementsOf(id).find((one) => isLive(one) && one.id !== currentPlacementId);
    return beside === undefined ? null : `${beside.id} is live beside its machine`;
  }

  private checkPlacement(before: Placement | null, after: Placement): void {
    const { id } = after;
    if (before !== null && !isLive(before) && isLive(after)) this.report(`${id} came back from ${before.state}`);
    if (before?.state === 'retiring' && (after.state === 'confirmed' || after.state === 'intended'))
      this.report(`${id} went from retiring to ${after.state}: a stale write`);
    if (before !== null && before.novitaId !== null && before.novitaId !== after.novitaId)
      this.report(`${id} lost its machine ${before.novitaId}`);
    if (before?.novitaId === null && after.novitaId !== null) this.checkChosen(after.uniqueName, after.novitaId);
    if (before !== null && isEarlier(after.lastSeenAt, before.lastSeenAt))
      this.report(`an older listing overwrote what was seen of ${id}`);
    if (before !== null && after.version < before.version) this.report(`the version of ${id} went back`);
    if (before !== null && before.novitaId !== null && !isGivenUp(before) && isGivenUp(after))
      this.report(`${id} is ${after.state} though its machine ${before.novitaId} was known`);
    if (before?.state !== 'gone' && after.state === 'gone') this.checkAbsent(after);
    if (before?.state !== 'refused' && after.state === 'refused' && !this.upstream.refusedYetMade.has(after.uniqueName))
      this.checkAbsent(after);
    if (before !== null && sinceFormerDelete(before, after) < DELETES_APART_MS)
      this.report(`the delete of ${id} was decided twice at once`);
    if (before?.state !== 'abandoned' && after.state === 'abandoned') this.checkAbsent(after);
    if (after.state !== 'intended' && after.state !== 'confirmed') return;
    const rivals = this.database
      .placementsOf(after.instanceId)
      .filter(({ state }) => state === 'intended' || state === 'confirmed');
    if (rivals.length > 1 && !this.isHandover(after.instanceId, rivals))
      this.report(`${after.instanceId} holds ${rivals.map((one) => one.id).join(' and ')}`);
  }

  /** Two at most, and only while the instance names both. */
  private isHandover(instanceId: string, rivals: readonly Placement[]): boolean {
    const { currentPlacementId, successorPlacementId } = this.database.instances.get(instanceId) ?? {};
    return rivals.length === 2 && rivals.every(({ id }) => id === currentPlacementId || id === successorPlacementId);
  }

  /** Of several machines of one name the oldest stays, unless create's answer named another or a listing hid the older one. */
  private checkChosen(uniqueName: string, novitaId: string): void {
    if (this.answeredIds.has(novitaId) || this.upstream.shownAlone.has(novitaId)) return;
    const chosen = this.upstream.find(novitaId);
    const older = this.ownMachines().find(
      ({ name, createdAtMs }) => name === uniqueName && isOlder(createdAtMs, chosen),
    );
    if (older !== undefined) this.report(`${uniqueName} took ${novitaId} though ${older.id} is older`);
  }

  /** What is said to be gone must be gone, unless its create came to pass after every time at which it could. */
  private checkAbsent(placement: Placement): void {
    const { uniqueName, novitaId, createSentAt, createdAt, state } = placement;
    const lastCreateMs = (createSentAt ?? createdAt).getTime() + this.createWithinMs;
    const machine = this.ownMachines().find(
      ({ id, name, createdAtMs }) =>
        (novitaId === null ? name === uniqueName : id === novitaId) && createdAtMs <= lastCreateMs,
    );
    if (machine !== undefined) this.report(`${placement.id} is ${state}, but its machine ${machine.id} exists`);
  }

  private checkInstance(before: Instance | null, after: Instance): void {
    if (before === null) return;
    if (after.version !== before.version + 1) this.report(`a stale write of ${after.id}`);
    if (before.desired === 'deleted' && after.desired !== 'deleted')
      this.report(`the deletion of ${after.id} was undone`);
    if (after.actionSentAt !== null && after.actionSentAt !== before.actionSentAt) this.noteIntent(after);
    if (before.phase === after.phase) return;
    if (after.phase === 'deleted') this.checkDeleted(after);
    if (after.phase === 'failed') this.checkFailed(before, after);
    if (before.phase === 'running' && after.phase === 'exited') this.checkLost(before);
    if (before.phase === 'running' && after.phase === 'provisioning' && before.noticePlacementId === null)
      this.report(`${after.id} gave its machine up though nobody announced its end`);
    if (after.phase === 'restarting') this.startsBefore.set(after.id, this.startsOf(after));
    if (before.phase === 'restarting' && after.phase === 'running') this.checkRestarted(before, after);
  }

  private checkRestarted(before: Instance, after: Instance): void {
    // A machine that ended meanwhile was started instead.
    if (after.reasonCode !== null || before.actionSentAt === null) return;
    if (this.startsOf(after) <= (this.startsBefore.get(after.id) ?? 0))
      this.report(`${after.id} is called restarted though its machine was not`);
  }

  private startsOf({ currentPlacementId }: Instance): number {
    const { novitaId } = this.database.placements.get(currentPlacementId ?? '') ?? {};
    return this.upstream.find(novitaId ?? '')?.starts ?? 0;
  }

  private noteIntent(after: Instance): void {
    const { id, action, desired, currentPlacementId } = after;
    if ((action === 'start' || action === 'restart') && desired !== 'running')
      this.report(`${action} of ${id} was decided though its user wants it ${desired}`);
    this.allow(`${action} ${currentPlacementId}`);
  }

  private allow(call: string): void {
    this.intents.set(call, (this.intents.get(call) ?? 0) + 1);
  }

  private checkDeleted(after: Instance): void {
    const live = this.database.placementsOf(after.id).find(isLive);
    if (live !== undefined) this.report(`${after.id} is deleted while ${live.id} is ${live.state}`);
  }

  /** Time alone proves nothing: somebody must have looked after the deadline. */
  private checkFailed(before: Instance, after: Instance): void {
    const isTimeout = after.reasonCode === 'STARTUP_TIMEOUT' || after.reasonCode === 'STOP_TIMEOUT';
    const deadlineMs = before.deadlineAt?.getTime() ?? 0;
    if (isTimeout && this.upstream.lastReadAtMs < deadlineMs)
      this.report(`${after.id} failed with ${after.reasonCode} for silence alone`);
  }

  private checkLost(before: Instance): void {
    const placement = this.database.placements.get(before.currentPlacementId ?? '');
    const machine = this.upstream.find(placement?.novitaId ?? '');
    const left = machine?.leftRunningAtMs ?? Infinity;
    // What ended shortly before the phase was recorded may be seen after it.
    if (machine?.status === 'running' && left < before.phaseSince.getTime() - this.settings.lifecyclePollMs * 4)
      this.report(`${before.id} is called lost while its machine runs`);
  }

  private checkDelete(novitaId: string, placement: Placement | null): void {
    // The intent stands, also when a slow turn lets the listings prove the machine gone before the call leaves.
    if (placement !== null && placement.deleteSentAt !== null) return;
    if (placement !== null && isLive(placement)) {
      this.report(`${novitaId} of ${placement.id} (${placement.state}) was deleted before the intent was committed`);
      return;
    }
    const knownSince = this.database.orphans.get(novitaId)?.firstSeenAt.getTime() ?? Infinity;
    if (knownSince > this.database.scheduler.nowMs - this.settings.orphanGraceMs)
      this.report(`${novitaId} was deleted without an intent`);
    if (this.claimOfId(novitaId) !== null) this.report(`${novitaId} was deleted as an orphan though it is claimed`);
  }

  /** The intent stands, also when the wish changes while the call waits for its turn. */
  private checkAction(action: string, placement: Placement | null): void {
    // Upstream's migrate is how a start is carried out where its node is full.
    const wanted = action === 'migrate' ? 'start' : action;
    const intents = [`${action} for ${placement?.instanceId}`, `${wanted} ${placement?.id}`];
    const intent = intents.find((one) => (this.intents.get(one) ?? 0) > 0);
    if (intent === undefined) this.report(`${action} was sent without an intent of its own`);
    else this.intents.set(intent, (this.intents.get(intent) ?? 0) - 1);
  }

  private ownMachines(): UpstreamMachine[] {
    return this.upstream.existing().filter(({ name }) => name.startsWith(OWN_PREFIX));
  }

  private byName(name: string): Placement | null {
    for (const placement of this.database.placements.values()) if (placement.uniqueName === name) return placement;
    return null;
  }

  private holderOf(novitaId: string): Placement | null {
    for (const placement of this.database.placements.values()) if (placement.novitaId === novitaId) return placement;
    return null;
  }

  private claimOf(machine: UpstreamMachine): Placement | null {
    const placement = this.byName(machine.name);
    return placement !== null && isLive(placement) && placement.novitaId === machine.id ? placement : null;
  }

  private claimOfId(novitaId: string): Placement | null {
    const machine = this.upstream.find(novitaId);
    const placement = machine === null ? null : this.byName(machine.name);
    const isClaimed = placement !== null && isLive(placement) && (placement.novitaId ?? novitaId) === novitaId;
    return isClaimed ? placement : null;
  }
}

/** Written off as a name that no machine came of. */
function isGivenUp({ state }: Placement): boolean {
  return state === 'refused' || state === 'abandoned';
}

/** What was lost and is wanted, under a policy that brings it back. */
function isToComeBack({ billingMode, spotPolicy, stopRequestedAt, reasonCode }: Instance): boolean {
  const isHeldUp = reasonCode === 'INSUFFICIENT_BALANCE' || reasonCode === 'QUOTA_EXCEEDED';
  return billingMode === 'spot' && spotPolicy !== 'none' && stopRequestedAt === null && !isHeldUp;
}

/** A delete that could not be sent is taken back; only a later one is another. */
function sinceFormerDelete(before: Placement, after: Placement): number {
  const former = before.deleteSentAt?.getTime() ?? Infinity;
  const latest = after.deleteSentAt?.getTime() ?? Infinity;
  return latest > former ? latest - former : Infinity;
}

/** Upstream tells whole seconds. */
function isOlder(createdAtMs: number, other: UpstreamMachine | null): boolean {
  return other !== null && Math.floor(createdAtMs / 1000) < Math.floor(other.createdAtMs / 1000);
}

function isEarlier(one: Date | null, other: Date | null): boolean {
  return one !== null && other !== null && one < other;
}
