import { Injectable } from '@nestjs/common';
import { type MigrationAttempt as AttemptRow, Prisma } from '../generated/prisma/client.js';
import { addMs } from '../platform/clock.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { selectStatement, upsertStatement, valuesOf } from '../platform/database/row-statements.js';
import { type AnyTx, run, type Statement } from '../platform/database/statement.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { Attempt, AttemptState, AttemptStep, Cause, Means, TriggeredBy } from './domain/attempt.js';
import type { History } from './domain/decide-move.js';
import { EMPTY_SUMMARY, type Summary } from './domain/execution.js';

const HOUR_MS = 3_600_000;
const COLUMNS = Object.values(Prisma.MigrationAttemptScalarFieldEnum);
const OPEN = selectStatement<AttemptRow>(
  'attempts-open',
  'migration_attempts',
  COLUMNS,
  `WHERE instance_id = $1 AND state = 'open'`,
);
const SAVE = upsertStatement<AttemptRow>('attempts-save', 'migration_attempts', COLUMNS, ['id', 'executionId']);
const END: Statement = {
  name: 'attempts-end',
  text: `
    UPDATE migration_attempts SET state = $2, because = $3, message = $4, ended_at = $5, steps = $6
     WHERE id = $1 AND state = 'open'`,
};
const HISTORY: Statement = {
  name: 'attempts-history',
  text: `
    SELECT count(*) FILTER (WHERE state IN ('migrated', 'failed') AND ended_at >= $3)::int AS "recentAttempts",
           count(*) FILTER (WHERE state = 'failed' AND started_at >= $2)::int AS "failuresSinceLoss",
           max(ended_at) FILTER (WHERE state = 'migrated') AS "lastMigratedAt"
      FROM migration_attempts WHERE instance_id = $1`,
};

@Injectable()
export class AttemptsRepository {
  constructor(private readonly prisma: PrismaService) {}

  async findOpen(instanceId: string): Promise<Attempt | null> {
    const { rows } = await run<AttemptRow>(this.prisma, OPEN, [instanceId]);
    return rows[0] === undefined ? null : toAttempt(rows[0]);
  }

  /** Inserted or replaced; whoever writes holds the instance's version. Which execution it belongs to is not the writer's to say. */
  async save(attempt: Attempt, tx: AnyTx): Promise<void> {
    await run(tx, SAVE, valuesOf({ ...attempt, steps: JSON.stringify(attempt.steps) }, COLUMNS));
  }

  /** Ends an attempt if it is still open. */
  async end({ id, state, because, message, endedAt, steps }: Attempt, tx: AnyTx): Promise<void> {
    await run(tx, END, [id, state, because, message, endedAt, JSON.stringify(steps)]);
  }

  async insertMany(attempts: readonly Attempt[], tx: Tx = this.prisma): Promise<void> {
    await tx.migrationAttempt.createMany({
      data: attempts.map(({ steps, tried, ...columns }) => ({
        ...columns,
        tried: [...tried],
        steps: steps as unknown as Prisma.InputJsonArray,
      })),
    });
  }

  async isSkippedSince(instanceId: string, because: string, since: Date): Promise<boolean> {
    const where = { instanceId, because, state: 'skipped', startedAt: { gte: since } };
    return (await this.prisma.migrationAttempt.findFirst({ where, select: { id: true } })) !== null;
  }

  async historyOf(instanceId: string, lostAt: Date | null, now: Date): Promise<History> {
    const { rows } = await run<History>(this.prisma, HISTORY, [instanceId, lostAt, addMs(now, -HOUR_MS)]);
    return rows[0] ?? { recentAttempts: 0, failuresSinceLoss: 0, lastMigratedAt: null };
  }

  /** A team's own part of an execution. */
  async listOf(executionId: string, teamId: string): Promise<Attempt[]> {
    const rows = await this.prisma.migrationAttempt.findMany({
      where: { executionId, teamId },
      orderBy: [{ startedAt: 'asc' }, { id: 'asc' }],
      take: 1000,
    });
    return rows.map(toAttempt);
  }

  async summariesOf(executionIds: readonly string[]): Promise<ReadonlyMap<string, Summary>> {
    const groups = await this.prisma.migrationAttempt.groupBy({
      by: ['executionId', 'state'],
      where: { executionId: { in: [...executionIds] } },
      _count: true,
    });
    const summaries = new Map<string, Summary>();
    for (const { executionId, state, _count } of groups) {
      if (executionId === null) continue;
      summaries.set(executionId, counted(summaries.get(executionId) ?? EMPTY_SUMMARY, state, _count));
    }
    return summaries;
  }

  async listFailedOf(executionIds: readonly string[], teamId: string): Promise<Attempt[]> {
    const where = { executionId: { in: [...executionIds] }, teamId, state: 'failed' };
    const rows = await this.prisma.migrationAttempt.findMany({ where, orderBy: { startedAt: 'asc' }, take: 1000 });
    return rows.map(toAttempt);
  }

  /** Attempts that begun by themselves become part of the execution that is under way. */
  async attachLoose(executionId: string, withOpen: boolean, tx: Tx): Promise<number> {
    const where = { executionId: null, ...(withOpen ? {} : { state: { not: 'open' } }) };
    const { count } = await tx.migrationAttempt.updateMany({ where, data: { executionId } });
    return count;
  }

  async firstLooseAt(): Promise<Date | null> {
    const row = await this.prisma.migrationAttempt.findFirst({
      where: { executionId: null },
      orderBy: { startedAt: 'asc' },
      select: { startedAt: true },
    });
    return row?.startedAt ?? null;
  }

  async hasLooseOpen(): Promise<boolean> {
    const where = { executionId: null, state: 'open' };
    return (await this.prisma.migrationAttempt.findFirst({ where, select: { id: true } })) !== null;
  }

  async hasOpen(executionId: string): Promise<boolean> {
    const where = { executionId, state: 'open' };
    return (await this.prisma.migrationAttempt.findFirst({ where, select: { id: true } })) !== null;
  }

  async countFailedSince(since: Date): Promise<number> {
    return this.prisma.migrationAttempt.count({ where: { state: 'failed', endedAt: { gte: since } } });
  }
}

function counted(summary: Summary, state: string, count: number): Summary {
  const isSkipped = state === 'skipped';
  return {
    eligible: summary.eligible + (isSkipped ? 0 : count),
    migrated: summary.migrated + (state === 'migrated' ? count : 0),
    skipped: summary.skipped + (isSkipped ? count : 0),
    failed: summary.failed + (state === 'failed' ? count : 0),
    open: summary.open + (state === 'open' ? count : 0),
  };
}

function toAttempt(row: AttemptRow): Attempt {
  return {
    ...row,
    cause: row.cause as Cause,
    triggeredBy: row.triggeredBy as TriggeredBy,
    state: row.state as AttemptState,
    tried: row.tried as Means[],
    means: row.means as Means | null,
    steps: row.steps as unknown as AttemptStep[],
  };
}
