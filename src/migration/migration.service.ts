import { Injectable } from '@nestjs/common';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { concerning } from '../platform/http/audit/audit-trail.js';
import type { Caller } from '../platform/http/caller.js';
import { AttemptsRepository } from './attempts.repository.js';
import type { Attempt } from './domain/attempt.js';
import {
  EMPTY_SUMMARY,
  type Execution,
  type ExecutionState,
  type Statistics,
  type Summary,
} from './domain/execution.js';
import { ExecutionsRepository } from './executions.repository.js';
import { MigrationRunner } from './migration-runner.js';
import { MigrationJobConflict, MigrationJobNotFound } from './migration.errors.js';

const HOUR_MS = 3_600_000;

export interface ExecutionRecord {
  readonly execution: Execution;
  readonly summary: Summary;
  readonly failures: readonly Attempt[];
}

export interface MigrationStatus {
  readonly enabled: boolean;
  readonly last: Execution | null;
  readonly nextAt: Date | null;
}

/** What can be asked of the migration; every figure comes from stored executions and attempts. */
@Injectable()
export class MigrationService {
  constructor(
    private readonly executions: ExecutionsRepository,
    private readonly attempts: AttemptsRepository,
    private readonly runner: MigrationRunner,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  /** @throws MigrationJobConflict while one is under way, on any replica. */
  async trigger(
    dryRun: boolean,
    maxMigrations: number | null,
    alongside: (execution: Execution, tx: Tx) => Promise<void>,
  ): Promise<Execution> {
    const execution = await this.runner.begin(dryRun, maxMigrations, async (begun, tx) => {
      concerning(begun.id);
      await alongside(begun, tx);
    });
    if (execution === null) throw new MigrationJobConflict((await this.executions.findOpen())?.id ?? null);
    return execution;
  }

  async status(): Promise<MigrationStatus> {
    const [{ executions }, scheduledAt] = await Promise.all([
      this.executions.list(null, { limit: 1, offset: 0 }),
      this.executions.findScheduledAt(),
    ]);
    const enabled = this.settings.migrationEnabled;
    return { enabled, last: executions[0] ?? null, nextAt: enabled ? scheduledAt : null };
  }

  statistics(): Promise<Statistics> {
    return this.executions.statistics();
  }

  async history(
    status: ExecutionState | null,
    page: { limit: number; offset: number },
    caller: Caller,
  ): Promise<{ records: ExecutionRecord[]; total: number }> {
    const { executions, total } = await this.executions.list(status, page);
    return { records: await this.withAttempts(executions, caller), total };
  }

  /** The figures are of all teams, the instances of the caller's. @throws MigrationJobNotFound */
  async get(jobId: string, caller: Caller): Promise<ExecutionRecord & { readonly attempts: readonly Attempt[] }> {
    const execution = await this.executions.find(jobId);
    if (execution === null) throw new MigrationJobNotFound();
    const [[record], attempts] = await Promise.all([
      this.withAttempts([execution], caller),
      this.attempts.listOf(jobId, caller.teamId),
    ]);
    return { ...(record ?? { execution, summary: EMPTY_SUMMARY, failures: [] }), attempts };
  }

  /** Failures of the last hour: of executions, and of attempts to bring an instance back. */
  async countRecentErrors(): Promise<number> {
    const since = addMs(this.clock.now(), -HOUR_MS);
    const [executions, attempts] = await Promise.all([
      this.executions.countFailedSince(since),
      this.attempts.countFailedSince(since),
    ]);
    return executions + attempts;
  }

  private async withAttempts(executions: readonly Execution[], { teamId }: Caller): Promise<ExecutionRecord[]> {
    const ids = executions.map(({ id }) => id);
    const [summaries, failed] = await Promise.all([
      this.attempts.summariesOf(ids),
      this.attempts.listFailedOf(ids, teamId),
    ]);
    return executions.map((execution) => ({
      execution,
      summary: summaries.get(execution.id) ?? EMPTY_SUMMARY,
      failures: failed.filter(({ executionId }) => executionId === execution.id),
    }));
  }
}
