import { Injectable, Logger } from '@nestjs/common';
import type { Instance } from '../instances/domain/instance.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { migrateInstance } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { type Tx, UnitOfWork } from '../platform/database/unit-of-work.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { Random } from '../platform/random.js';
import { AttemptsRepository } from './attempts.repository.js';
import { type Attempt, ended, newAttempt, withStep } from './domain/attempt.js';
import { judgeEligibility } from './domain/eligibility.js';
import type { Execution } from './domain/execution.js';
import { ExecutionsRepository } from './executions.repository.js';
import { MigrationForecast } from './migration-forecast.js';

/** A replica that dies is followed by another one after this. */
const LEASE_MS = 15_000;
/** What begins in the same second is one run: none ends sooner. */
const SHORTEST_MS = 1_000;
const LONGEST_AT_LEAST_MS = 60_000;

class SomeoneWasFaster extends Error {}

/** Begins and carries on the one execution that is under way, on whatever replica. */
@Injectable()
export class MigrationRunner {
  private readonly logger = new Logger(MigrationRunner.name);
  private readonly intervalMs: number;
  private running = false;
  private isScheduleKnown = false;

  constructor(
    private readonly executions: ExecutionsRepository,
    private readonly attempts: AttemptsRepository,
    private readonly instances: InstancesRepository,
    private readonly forecast: MigrationForecast,
    private readonly recorder: InstanceRecorder,
    private readonly unitOfWork: UnitOfWork,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {
    this.intervalMs = settings.migrationIntervalMinutes * 60_000;
  }

  async tick(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const now = this.clock.now();
      await this.gatherLoose(now);
      if (this.settings.migrationEnabled) await this.takeTurn(now);
      const execution = await this.executions.claim(this.settings.replicaId, LEASE_MS);
      if (execution !== null) await this.carryOn(execution, now);
    } finally {
      this.running = false;
    }
  }

  /** Null when another execution is under way. */
  async begin(
    dryRun: boolean,
    maxMigrations: number | null,
    alongside?: (execution: Execution, tx: Tx) => Promise<void>,
  ): Promise<Execution | null> {
    const now = this.clock.now();
    const execution = this.newExecution('manual', now, {
      dryRun: dryRun || this.settings.migrationDryRun,
      maxMigrations,
    });
    return this.unitOfWork.run(async (tx) => {
      if (!(await this.executions.insert(execution, tx))) return null;
      if (!execution.dryRun) await this.executions.postponeTurn(addMs(now, this.intervalMs), tx);
      await alongside?.(execution, tx);
      return execution;
    });
  }

  /** What was begun at once, without an execution, belongs to the one under way, or makes one. */
  private async gatherLoose(now: Date): Promise<void> {
    const since = await this.attempts.firstLooseAt();
    if (since === null) return;
    const open = await this.executions.findOpen();
    if (open?.dryRun === true) return;
    // What only notes that nothing is done is over already, and keeps nobody from asking for a run.
    const isUnderway = await this.attempts.hasLooseOpen();
    const ending = isUnderway ? ({ state: 'running' } as const) : ({ state: 'completed', completedAt: now } as const);
    const fresh: Execution = { ...this.newExecution('loss', now), startedAt: since, ...ending };
    const [totalInstances, exited] = await this.count();
    await this.inOneGo(async (tx) => {
      const execution = open ?? { ...fresh, totalInstances, exitedInstances: exited.length };
      if (open === null && !(await this.executions.insert(execution, tx))) return;
      const attached = await this.attempts.attachLoose(execution.id, isUnderway, tx);
      if (attached === 0) throw new SomeoneWasFaster();
    });
  }

  private async takeTurn(now: Date): Promise<void> {
    const next = addMs(now, this.intervalMs);
    if (!this.isScheduleKnown) {
      await this.executions.nextScheduledAt(next);
      this.isScheduleKnown = true;
    }
    const dueAt = await this.executions.findScheduledAt();
    if (dueAt === null || dueAt > now) return;
    const execution = this.newExecution('schedule', now, { dryRun: this.settings.migrationDryRun });
    await this.inOneGo(async (tx) => {
      if (!(await this.executions.insert(execution, tx))) return;
      if (!(await this.executions.takeTurn(now, next, tx))) throw new SomeoneWasFaster();
    });
  }

  /** All of it, or nothing where another replica was faster. */
  private async inOneGo(work: (tx: Tx) => Promise<void>): Promise<void> {
    try {
      await this.unitOfWork.run(work);
    } catch (error) {
      if (!(error instanceof SomeoneWasFaster)) throw error;
    }
  }

  private async carryOn(execution: Execution, now: Date): Promise<void> {
    try {
      if (execution.state === 'queued') await this.scan(execution, now);
      else await this.finishIfDone(execution, now);
    } catch (error) {
      this.logger.error({ err: error, jobId: execution.id }, 'the execution could not be carried on');
      await this.end({ ...execution, error: 'The execution could not be carried on' }, 'failed', now);
    }
  }

  /** Every lost instance is judged; what may be brought back is woken, and what may not is noted with the reason. */
  private async scan(execution: Execution, now: Date): Promise<void> {
    const [totalInstances, exited] = await this.count();
    const running: Execution = {
      ...execution,
      state: 'running',
      startedAt: now,
      totalInstances,
      exitedInstances: exited.length,
    };
    let left = execution.maxMigrations ?? Infinity;
    const notes: Attempt[] = [];
    const woken: string[] = [];
    for (const id of exited) {
      const instance = await this.instances.find(id);
      const isTaken = instance === null ? false : await this.takeOn(instance, running, left > 0, notes, now);
      if (!isTaken) continue;
      left -= 1;
      woken.push(id);
    }
    // At once with its notes: a replica that dies before leaves the whole scan to the next one.
    const isBegun = await this.unitOfWork.run(async (tx) => {
      const isMine = await this.executions.move(running, 'queued', this.settings.replicaId, tx);
      if (isMine) await this.attempts.insertMany(notes, tx);
      return isMine;
    });
    if (!isBegun) return;
    await this.jobs.enqueueAll(
      migrateInstance,
      woken.map((instanceId) => ({ instanceId })),
    );
  }

  private async takeOn(
    instance: Instance,
    execution: Execution,
    hasRoom: boolean,
    notes: Attempt[],
    now: Date,
  ): Promise<boolean> {
    const isManual = execution.trigger === 'manual';
    // Under way already; by this run's doing, if it is scanned for the second time.
    if (instance.phase !== 'exited') return isManual && instance.recoveryTrigger === 'manual_migration';
    const wanted: Instance = isManual ? { ...instance, recoveryTrigger: 'manual_migration' } : instance;
    const mode = { enabled: this.settings.migrationEnabled || isManual, dryRun: false };
    const verdict = judgeEligibility(wanted, mode);
    const note = (state: 'skipped' | 'planned', because: string, why?: { decision: string; because: string }) => {
      const cause = instance.lossReason === 'spot_reclaim' ? 'spot_reclaim' : 'interrupted';
      const fresh = newAttempt(`mig-${this.random.token(16)}`, wanted, cause, now);
      const attempt = why === undefined ? fresh : withStep(fresh, why.decision, why.because, now);
      notes.push({ ...ended(attempt, state, because, now), executionId: execution.id });
    };
    if (!verdict.eligible) note('skipped', verdict.because);
    else if (!hasRoom) note('skipped', 'max-migrations');
    else if (execution.dryRun) {
      const foreseen = await this.forecast.of(wanted, now);
      note(
        'planned',
        foreseen.decision === 'elsewhere' ? 'would-buy-elsewhere' : `would-${foreseen.decision}`,
        foreseen,
      );
    } else return this.set(instance, wanted, execution, now);
    return verdict.eligible && hasRoom;
  }

  /** Due at once: what rests, and whatever brake it waits for, when it is asked for by hand. */
  private async set(instance: Instance, wanted: Instance, { id, trigger }: Execution, now: Date): Promise<boolean> {
    if (wanted === instance && instance.nextCheckAt !== null) return true;
    const takenUp = {
      type: 'instance.decided',
      actor: 'schedule',
      data: { decision: 'take-up', because: 'scheduled', jobId: id },
    } as const;
    await this.recorder.record({
      before: instance,
      after: { ...wanted, nextCheckAt: now, updatedAt: now },
      ...(trigger === 'schedule' && { event: takenUp }),
    });
    return true;
  }

  private async finishIfDone(execution: Execution, now: Date): Promise<void> {
    const age = now.getTime() - (execution.startedAt ?? execution.createdAt).getTime();
    if (age < SHORTEST_MS) return;
    if ((await this.isDone(execution, now)) || age > Math.max(this.intervalMs, LONGEST_AT_LEAST_MS))
      await this.end(execution, 'completed', now);
  }

  /** Nothing of it is open, nothing that it woke is still to begin, and nothing begun is still to be counted in. */
  private async isDone(execution: Execution, now: Date): Promise<boolean> {
    if (execution.dryRun) return true;
    if ((await this.attempts.hasOpen(execution.id)) || (await this.isAnyDue(now))) return false;
    return (await this.attempts.firstLooseAt()) === null;
  }

  private async isAnyDue(now: Date): Promise<boolean> {
    return (await this.executions.listDue(now, 1)).length > 0;
  }

  private async end(execution: Execution, state: 'completed' | 'failed', now: Date): Promise<void> {
    await this.executions.move({ ...execution, state, completedAt: now }, execution.state, this.settings.replicaId);
  }

  private async count(): Promise<[number, string[]]> {
    return Promise.all([this.executions.countInstances(), this.executions.listExitedIds()]);
  }

  private newExecution(trigger: Execution['trigger'], now: Date, wish: Partial<Execution> = {}): Execution {
    return {
      id: `migration-job-${this.random.token(12)}`,
      trigger,
      state: 'queued',
      dryRun: false,
      maxMigrations: null,
      totalInstances: 0,
      exitedInstances: 0,
      error: null,
      createdAt: now,
      startedAt: null,
      completedAt: null,
      ...wish,
    };
  }
}
