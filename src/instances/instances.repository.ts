import { Injectable } from '@nestjs/common';
import { Prisma, type Instance as InstanceRow } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import {
  type Action,
  AT_REST_UNTIL_NEWS,
  type Connection,
  type Desired,
  type Instance,
  MIGRATION_PHASES,
  type Phase,
  type Readiness,
  type SpotPolicy,
} from './domain/instance.js';

@Injectable()
export class InstancesRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(instance: Instance, tx: Tx): Promise<void> {
    await tx.instance.create({ data: toRow(instance) });
  }

  /** Replaces the version that was read; false when another writer came first. */
  async update(instance: Instance, tx: Tx): Promise<boolean> {
    const { id, version } = instance;
    const data = { ...toRow(instance), version: version + 1 };
    const { count } = await tx.instance.updateMany({ where: { id, version }, data });
    return count === 1;
  }

  /**
   * Something is new about their machines: those that wait for nothing else are looked at again, whatever becomes of the wake-up.
   * A look that is due later stays where it is, for it may be the lease of an action.
   */
  async makeDue(ids: readonly string[], now: Date, tx: Tx): Promise<void> {
    if (ids.length === 0) return;
    await tx.instance.updateMany({
      where: {
        id: { in: [...ids] },
        phase: { in: [...AT_REST_UNTIL_NEWS] },
        OR: [{ nextCheckAt: null }, { nextCheckAt: { lte: now } }],
      },
      // The version as well: what somebody decided without this news must not be recorded.
      data: { nextCheckAt: now, version: { increment: 1 } },
    });
  }

  async find(id: string, tx: Tx = this.prisma): Promise<Instance | null> {
    const row = await tx.instance.findUnique({ where: { id } });
    return row && toInstance(row);
  }

  /** By our id, or by the upstream id of any machine that was ever bought for it. */
  async findForTeam(id: string, teamId: string): Promise<Instance | null> {
    const where = { teamId, OR: [{ id }, { placements: { some: { novitaId: id } } }] };
    const row = await this.prisma.instance.findFirst({ where });
    return row && toInstance(row);
  }

  /** Times from order to ready of the latest instances that became ready, in milliseconds. */
  async latestStartTimes(count: number): Promise<number[]> {
    const rows = await this.prisma.instance.findMany({
      where: { readyAt: { not: null }, lossCount: 0 },
      orderBy: { createdAt: 'desc' },
      take: count,
      select: { createdAt: true, readyAt: true },
    });
    return rows.flatMap(({ createdAt, readyAt }) =>
      readyAt === null ? [] : [readyAt.getTime() - createdAt.getTime()],
    );
  }

  async phasesOf(ids: readonly string[]): Promise<ReadonlyMap<string, Phase>> {
    const rows = await this.prisma.instance.findMany({
      where: { id: { in: [...ids] } },
      select: { id: true, phase: true },
    });
    return new Map(rows.map(({ id, phase }) => [id, phase as Phase]));
  }

  /** What the migration brings back is not among them; it looks after its own. */
  async listDueIds(now: Date, limit: number): Promise<string[]> {
    const where = { nextCheckAt: { lte: now }, phase: { notIn: [...MIGRATION_PHASES] } };
    const rows = await this.prisma.instance.findMany({
      where,
      orderBy: { nextCheckAt: 'asc' },
      take: limit,
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  async countByPhase(): Promise<ReadonlyMap<Phase, number>> {
    const groups = await this.prisma.instance.groupBy({ by: ['phase'], where: { deletedAt: null }, _count: true });
    return new Map(groups.map((group) => [group.phase as Phase, group._count]));
  }
}

function toRow({ readiness, connection, labels, ...columns }: Instance) {
  return {
    ...columns,
    readiness: json(readiness),
    connection: json(connection),
    labels: labels as Prisma.InputJsonObject,
  };
}

function json(value: object | null): Prisma.InputJsonObject | typeof Prisma.DbNull {
  return value === null ? Prisma.DbNull : (value as Prisma.InputJsonObject);
}

export function toInstance(row: InstanceRow): Instance {
  return {
    ...row,
    billingMode: row.billingMode === 'onDemand' ? 'onDemand' : 'spot',
    readiness: row.readiness as Readiness | null,
    connection: row.connection as Connection | null,
    labels: row.labels as Record<string, string>,
    action: row.action as Action | null,
    desired: row.desired as Desired,
    phase: row.phase as Phase,
    spotPolicy: row.spotPolicy as SpotPolicy,
  };
}
