import { Injectable, Logger } from '@nestjs/common';
import type { Change } from '../instances/domain/change.js';
import type { Instance } from '../instances/domain/instance.js';
import type { Placement } from '../instances/domain/placement.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { migrateInstance } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { HandlesJob } from '../platform/jobs/handles-job.js';
import { Random } from '../platform/random.js';
import { AttemptsRepository } from './attempts.repository.js';
import { type Attempt, ended, endingOf, newAttempt, withStep } from './domain/attempt.js';
import { classify } from './domain/classify.js';
import {
  currentOf,
  decideMove,
  type Facts,
  type Move,
  type MoveLimits,
  moveName,
  observationOf,
  recordsOf,
} from './domain/decide-move.js';
import { judgeEligibility } from './domain/eligibility.js';
import {
  adopted,
  backToExited,
  comingUp,
  elsewhere,
  followed,
  givenUp,
  noticed,
  noticeWithdrawn,
} from './domain/moves.js';
import { ListingTimes } from './listing-times.repository.js';
import { MachineMover } from './machine-mover.js';
import { moveLimitsOf } from './migration-limits.js';
import { Slots } from './slots.js';

/** What wants more steps than this in one go is looked at again by the next sweep. */
const MAX_STEPS = 8;
const MAX_LOOKS = 2;

/** Brings one instance back that lost its machine, or is about to: read, decide, act, record. */
@Injectable()
export class MigrationExecutor {
  private readonly logger = new Logger(MigrationExecutor.name);
  private readonly limits: MoveLimits;
  private readonly slots: Slots;

  constructor(
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly attempts: AttemptsRepository,
    private readonly listings: ListingTimes,
    private readonly recorder: InstanceRecorder,
    private readonly mover: MachineMover,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {
    this.limits = moveLimitsOf(settings);
    this.slots = new Slots(settings.migrationMaxConcurrent);
  }

  @HandlesJob(migrateInstance)
  async migrate({ instanceId }: { instanceId: string }): Promise<void> {
    await this.slots.run(async () => {
      for (let step = 0; step < MAX_STEPS; step += 1) {
        const facts = await this.read(instanceId);
        if (facts === null || !(await this.takeStep(facts))) return;
      }
    });
  }

  private async read(instanceId: string): Promise<Facts | null> {
    const instance = await this.instances.find(instanceId);
    if (instance === null) return null;
    const [placements, attempt, history, sweptAt] = await Promise.all([
      this.placements.listOf(instanceId),
      this.attempts.findOpen(instanceId),
      this.attempts.historyOf(instanceId, instance.lostAt, this.clock.now()),
      this.listings.latestCompleteStart(),
    ]);
    return { instance, placements, attempt, history, sweptAt, look: null };
  }

  /** True when something was recorded, so that it is worth looking again at once. */
  private async takeStep(facts: Facts): Promise<boolean> {
    const { instance, attempt } = facts;
    const now = this.clock.now();
    const ending = attempt && endingOf(attempt, instance);
    if (attempt !== null && ending !== null) return this.close(attempt, instance, ending.state, ending.because, now);
    if (instance.phase === 'running') return this.takeUpNews(facts, now);
    if (instance.phase !== 'exited' && instance.phase !== 'migrating') return false;
    const [move, known] = await this.decide(facts, now);
    return this.carryOut(move, known, now);
  }

  /** Reads the machine and its jobs only where the decision depends on them. */
  private async decide(facts: Facts, now: Date): Promise<[Move, Facts]> {
    let known = facts;
    let move = decideMove(known, now, this.limits);
    for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
      const novitaId = currentOf(known)?.novitaId ?? '';
      if (move.kind === 'look') known = { ...known, look: await this.mover.look(novitaId, now) };
      else if (move.kind === 'look-at-jobs')
        known = { ...known, job: await this.mover.findJob(novitaId, known.attempt?.sentAt ?? now) };
      else break;
      move = decideMove(known, now, this.limits);
    }
    return [move, known];
  }

  private async carryOut(move: Move, facts: Facts, now: Date): Promise<boolean> {
    const { instance, placements } = facts;
    if (move.kind === 'rest') return this.rest(facts, move.because, null, now);
    if (move.kind === 'brake') return this.rest(facts, move.because, move.until, now);
    if (move.kind === 'leave' || move.kind === 'look' || move.kind === 'look-at-jobs') return false;
    const attempt = withStep(this.attemptOf(facts, now), moveName(move), move.because, now);
    if (move.kind !== 'wait')
      this.logger.log(
        { instanceId: instance.id, decision: moveName(move), because: move.because },
        'migration decides',
      );
    switch (move.kind) {
      case 'wait':
        return this.wait(facts, attempt, move.until, now);
      case 'call':
        return this.mover.call(instance, attempt, move, now);
      case 'elsewhere':
        return this.record(elsewhere(instance, placements, now, this.settings), { ...attempt, means: 'elsewhere' });
      case 'adopt-successor':
        return this.record(adopted(instance, move.successor, placements, now, this.settings), {
          ...attempt,
          means: 'successor',
        });
      case 'follow-platform':
        return this.follow(instance, attempt, now);
      case 'come-up':
        return this.record(comingUp(instance, now, this.settings), { ...attempt, means: 'start-up' });
      case 'next-means':
        return this.record(backToExited(instance, now, now), {
          ...attempt,
          means: null,
          // Where the migration worked and the machine only does not run, a start is due again.
          tried: move.because === 'migrated-but-exited' ? ['migrate'] : attempt.tried,
        });
      case 'give-up':
        return this.record(givenUp(instance, placements, now), attempt);
    }
  }

  private attemptOf({ attempt, instance }: Facts, now: Date): Attempt {
    if (attempt !== null) return attempt;
    const cause = instance.lossReason === 'spot_reclaim' ? 'spot_reclaim' : 'interrupted';
    return newAttempt(`mig-${this.random.token(16)}`, instance, cause, now);
  }

  private async wait({ instance, attempt: stored }: Facts, attempt: Attempt, until: Date, now: Date): Promise<boolean> {
    const known = instance.nextCheckAt;
    if (attempt === stored && known !== null && known > now && known <= until) return false;
    const after = { ...instance, nextCheckAt: until, updatedAt: now };
    await this.record({ before: instance, after }, attempt);
    return false;
  }

  /** Told of already, by the event of the loss; the decision and its reason are kept, once for each loss. */
  private async rest(
    { instance, attempt }: Facts,
    because: string,
    nextCheckAt: Date | null,
    now: Date,
  ): Promise<boolean> {
    if (attempt !== null) return this.close(attempt, instance, 'cancelled', because, now);
    const since = instance.lostAt ?? instance.phaseSince;
    const isKnown = await this.attempts.isSkippedSince(instance.id, because, since);
    const cause = instance.lossReason === 'spot_reclaim' ? 'spot_reclaim' : 'interrupted';
    const skipped = ended(newAttempt(`mig-${this.random.token(16)}`, instance, cause, now), 'skipped', because, now);
    const change: Change = { before: instance, after: { ...instance, nextCheckAt, updatedAt: now } };
    if (!isKnown) await this.record(change, skipped);
    else if (instance.nextCheckAt?.getTime() !== nextCheckAt?.getTime()) await this.recorder.record(change);
    return false;
  }

  /** The machine runs, and upstream says something about it that the instance does not know yet. */
  private async takeUpNews(facts: Facts, now: Date): Promise<boolean> {
    const { instance } = facts;
    const placement = currentOf(facts);
    const seen = placement && observationOf(placement, facts.sweptAt);
    if (placement === null || seen === null) return false;
    const situation = classify(seen, recordsOf(facts, placement));
    const isKnown = instance.noticePlacementId === placement.id;
    if (situation.kind === 'migrating-by-itself') return this.followFromRunning(facts, now);
    if (situation.kind === 'steady' && isKnown) return this.record(noticeWithdrawn(instance, now), facts.attempt);
    if (situation.kind !== 'notice') return false;
    const isSame =
      isKnown && (situation.isAssumed || instance.noticeDeadlineAt?.getTime() === situation.deadline.getTime());
    if (isSame) return false;
    const verdict = judgeEligibility(instance, this.limits);
    const wantsSuccessor = instance.spotPolicy === 'replace' && verdict.eligible;
    const attempt = wantsSuccessor ? this.replacing(facts, placement, now) : facts.attempt;
    await this.record(noticed(instance, placement, situation, wantsSuccessor, now), attempt);
    return false;
  }

  private replacing({ attempt, instance }: Facts, placement: Placement, now: Date): Attempt {
    if (attempt !== null) return attempt;
    const fresh = newAttempt(`mig-${this.random.token(16)}`, instance, 'notice', now);
    return { ...withStep(fresh, 'replace', 'notice', now), means: 'replace', placementId: placement.id };
  }

  private follow(instance: Instance, attempt: Attempt, now: Date): Promise<boolean> {
    const following: Attempt = { ...attempt, means: 'platform', sentAt: now, answeredAt: now };
    return this.record(followed(instance, now, addMs(now, this.limits.pollMs)), following);
  }

  /** What was under way for a notice is over: the machine it was about is being moved. */
  private async followFromRunning({ instance, attempt }: Facts, now: Date): Promise<boolean> {
    if (attempt !== null) return this.close(attempt, instance, 'cancelled', 'migrating-by-itself', now);
    const fresh = newAttempt(`mig-${this.random.token(16)}`, instance, 'platform_migration', now);
    return this.follow(instance, withStep(fresh, 'follow-platform', 'migrating-by-itself', now), now);
  }

  /** Under the instance's version: it and its attempt are read one after the other, and somebody may have moved on in between. */
  private async close(
    attempt: Attempt,
    instance: Instance,
    state: Attempt['state'],
    because: string,
    now: Date,
  ): Promise<boolean> {
    const at = state === 'migrated' && instance.phase === 'running' ? instance.phaseSince : now;
    const message = state === 'failed' ? instance.reasonMessage : null;
    const over: Attempt = { ...ended(attempt, state, because, at), message };
    await this.recorder.record({
      before: instance,
      after: { ...instance, updatedAt: now },
      alongside: (tx) => this.attempts.end(over, tx),
    });
    return true;
  }

  /** Recorded or overtaken by a fresher writer: both are worth another look. */
  private async record(change: Change, attempt: Attempt | null): Promise<boolean> {
    await this.recorder.record(
      attempt === null ? change : { ...change, alongside: (tx) => this.attempts.save(attempt, tx) },
    );
    return true;
  }
}
