import { Injectable } from '@nestjs/common';
import { Prisma, type MigrationExecution as ExecutionRow } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { Execution, ExecutionState, ExecutionTrigger, Statistics } from './domain/execution.js';

const OPEN = ['queued', 'running'];
const SCHEDULE = 'migration';

export interface DueInstance {
  readonly instanceId: string;
  /** As `machineDeadlineOf`. */
  readonly deadline: Date | null;
}

@Injectable()
export class ExecutionsRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** False when another one is queued or running, on whatever replica. */
  async insert(execution: Execution, tx: Tx = this.prisma): Promise<boolean> {
    const { count } = await tx.migrationExecution.createMany({ data: [execution], skipDuplicates: true });
    return count === 1;
  }

  async findOpen(tx: Tx = this.prisma): Promise<Execution | null> {
    const row = await tx.migrationExecution.findFirst({ where: { state: { in: OPEN } } });
    return row && toExecution(row);
  }

  /** The open execution, if it is this replica's or its holder is gone; on the database's clock. */
  async claim(holder: string, leaseMs: number): Promise<Execution | null> {
    const rows = await this.prisma.$queryRaw<{ id: string }[]>`
      UPDATE migration_executions
         SET holder = ${holder}, lease_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1000})
       WHERE state IN ('queued', 'running')
         AND (holder IS NULL OR holder = ${holder} OR lease_until < clock_timestamp())
      RETURNING id`;
    const id = rows[0]?.id;
    return id === undefined ? null : this.find(id);
  }

  async find(id: string): Promise<Execution | null> {
    const row = await this.prisma.migrationExecution.findUnique({ where: { id } });
    return row && toExecution(row);
  }

  /** Only from the state that was read, and only by its holder. */
  async move(execution: Execution, from: ExecutionState, holder: string, tx: Tx = this.prisma): Promise<boolean> {
    const { id, state, totalInstances, exitedInstances, error, startedAt, completedAt } = execution;
    const data = { state, totalInstances, exitedInstances, error, startedAt, completedAt };
    const { count } = await tx.migrationExecution.updateMany({ where: { id, state: from, holder }, data });
    return count === 1;
  }

  async list(
    status: ExecutionState | null,
    page: { limit: number; offset: number },
  ): Promise<{ executions: Execution[]; total: number }> {
    const where = status === null ? {} : { state: status === 'running' ? { in: OPEN } : status };
    const [rows, total] = await Promise.all([
      this.prisma.migrationExecution.findMany({
        where,
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: page.limit,
        skip: page.offset,
      }),
      this.prisma.migrationExecution.count({ where }),
    ]);
    return { executions: rows.map(toExecution), total };
  }

  async statistics(): Promise<Statistics> {
    const [executions, attempts] = await Promise.all([
      this.prisma.$queryRaw<{ total: number; successful: number; failed: number; average: number }[]>`
        SELECT count(*)::int AS total,
               count(*) FILTER (WHERE state = 'completed')::int AS successful,
               count(*) FILTER (WHERE state = 'failed')::int AS failed,
               COALESCE(avg(extract(epoch FROM completed_at - started_at)) * 1000, 0)::float8 AS average
          FROM migration_executions`,
      this.prisma.$queryRaw<{ processed: number; migrated: number }[]>`
        SELECT count(*)::int AS processed, count(*) FILTER (WHERE state = 'migrated')::int AS migrated
          FROM migration_attempts`,
    ]);
    return {
      totalExecutions: executions[0]?.total ?? 0,
      successfulExecutions: executions[0]?.successful ?? 0,
      failedExecutions: executions[0]?.failed ?? 0,
      totalInstancesProcessed: attempts[0]?.processed ?? 0,
      totalMigrations: attempts[0]?.migrated ?? 0,
      averageExecutionTimeMs: Math.round(executions[0]?.average ?? 0),
    };
  }

  async countFailedSince(since: Date): Promise<number> {
    return this.prisma.migrationExecution.count({ where: { state: 'failed', completedAt: { gte: since } } });
  }

  async deleteCompletedBefore(before: Date): Promise<void> {
    const old = { completedAt: { lt: before } };
    await this.prisma.migrationAttempt.deleteMany({ where: { execution: old } });
    await this.prisma.migrationExecution.deleteMany({ where: old });
  }

  /** When the schedule is due; the first replica to ask writes it, a shorter interval brings it forward. */
  async nextScheduledAt(latest: Date): Promise<Date> {
    const rows = await this.prisma.$queryRaw<{ next_at: Date }[]>`
      INSERT INTO sweeps AS s (name, next_at) VALUES (${SCHEDULE}, ${latest})
      ON CONFLICT (name) DO UPDATE SET next_at = LEAST(COALESCE(s.next_at, excluded.next_at), excluded.next_at)
      RETURNING next_at`;
    return rows[0]?.next_at ?? latest;
  }

  async findScheduledAt(): Promise<Date | null> {
    const row = await this.prisma.sweep.findUnique({ where: { name: SCHEDULE }, select: { nextAt: true } });
    return row?.nextAt ?? null;
  }

  /** True for the one replica that takes a turn that is due. */
  async takeTurn(now: Date, next: Date, tx: Tx): Promise<boolean> {
    const { count } = await tx.sweep.updateMany({
      where: { name: SCHEDULE, nextAt: { lte: now } },
      data: { nextAt: next },
    });
    return count === 1;
  }

  /** A run by hand does the schedule's work as well. */
  async postponeTurn(next: Date, tx: Tx): Promise<void> {
    await tx.sweep.updateMany({ where: { name: SCHEDULE }, data: { nextAt: next } });
  }

  /** Instances of the migration's that are due, and running ones whose machine has news that nobody took up; those first whose machine ends first. */
  async listDue(now: Date, limit: number): Promise<DueInstance[]> {
    return this.prisma.$queryRaw<DueInstance[]>(Prisma.sql`
      SELECT instance.id AS "instanceId", COALESCE(notice_deadline_at, lost_at) AS deadline FROM (
      (SELECT id FROM instances WHERE phase IN ('exited', 'migrating') AND next_check_at <= ${now}
        ORDER BY COALESCE(notice_deadline_at, lost_at) LIMIT ${limit})
      UNION
      (SELECT i.id FROM placements p JOIN instances i ON i.id = p.instance_id AND i.current_placement_id = p.id
        WHERE p.state = 'confirmed' AND (p.seen_spot_status IN ('notified', 'reclaiming') OR p.seen_status = 'migrating')
          AND i.phase = 'running'
          AND (p.seen_status = 'migrating'
            -- As isReclaimAnnounced: what it does not take for an announcement would be due for ever.
            OR (p.seen_status = 'running' AND p.billing_mode = 'spot' AND i.notice_placement_id IS DISTINCT FROM p.id
              AND (p.seen_reclaim_at IS NULL OR p.seen_reclaim_at > i.phase_since))) LIMIT ${limit})
      UNION
      (SELECT a.instance_id FROM migration_attempts a JOIN instances i ON i.id = a.instance_id
        WHERE a.state = 'open' AND (i.phase IN ('stopping', 'stopped', 'failed', 'deleting', 'deleted')
           OR (i.phase = 'running' AND (a.cause <> 'notice' OR i.replace_by IS NULL))) LIMIT ${limit})
      ) AS due JOIN instances AS instance ON instance.id = due.id
      ORDER BY deadline NULLS LAST LIMIT ${limit}`);
  }

  async countInstances(): Promise<number> {
    return this.prisma.instance.count({ where: { deletedAt: null } });
  }

  async listExitedIds(): Promise<string[]> {
    const rows = await this.prisma.instance.findMany({
      where: { phase: { in: ['exited', 'migrating'] } },
      orderBy: { lostAt: 'asc' },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }
}

function toExecution(row: ExecutionRow): Execution {
  const { holder: _holder, leaseUntil: _leaseUntil, ...columns } = row;
  return { ...columns, state: row.state as ExecutionState, trigger: row.trigger as ExecutionTrigger };
}
