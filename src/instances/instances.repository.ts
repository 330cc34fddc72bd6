import { Injectable } from '@nestjs/common';
import { Prisma, type Instance as InstanceRow } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { inOneGo } from '../platform/database/in-one-go.js';
import { insertingRows, replaceStatement, selectStatement, valuesOf } from '../platform/database/row-statements.js';
import { type AnyTx, run } from '../platform/database/statement.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { ConnectionVault, type StoredConnection } from './connection-vault.js';
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

const COLUMNS = Object.values(Prisma.InstanceScalarFieldEnum);
const INSERTING = insertingRows<Instance>('instances-insert', 'instances', COLUMNS);
const FIND = selectStatement<Instance>('instances-find', 'instances', COLUMNS, 'WHERE id = $1');
const REPLACE = replaceStatement<Instance>('instances-replace', 'instances', COLUMNS);

@Injectable()
export class InstancesRepository {
  constructor(
    private readonly prisma: PrismaService,
    private readonly vault: ConnectionVault,
  ) {}

  async insert(instance: Instance, tx: AnyTx): Promise<void> {
    await inOneGo(tx, INSERTING, await this.toRow(instance));
  }

  /** Replaces the version that was read; false when another writer came first. */
  async update(instance: Instance, tx: AnyTx): Promise<boolean> {
    const { id, version } = instance;
    const next = valuesOf({ ...(await this.toRow(instance)), version: version + 1 }, COLUMNS);
    const { count } = await run(tx, REPLACE, [...next, id, version]);
    return count === 1;
  }

  /**
   * Something is new about their machines: those that wait for nothing else are looked at again, whatever becomes of the wake-up.
   * A look that is due later stays where it is, for it may be the lease of an action.
   */
  async makeDue(ids: readonly string[], now: Date, tx: Tx): Promise<void> {
    if (ids.length === 0) return;
    // The version as well: what somebody decided without this news must not be recorded.
    await tx.$executeRaw`
      UPDATE instances SET next_check_at = ${now}, version = version + 1
       WHERE id = ANY(${[...ids]}::text[]) AND phase = ANY(${[...AT_REST_UNTIL_NEWS]}::text[])
         AND (next_check_at IS NULL OR next_check_at <= ${now})`;
  }

  async find(id: string, tx: Tx = this.prisma): Promise<Instance | null> {
    const { rows } = await run<InstanceRow>(tx, FIND, [id]);
    return this.opened(rows[0] ?? null);
  }

  /** By our id, or by the upstream id of any machine that was ever bought for it. */
  async findForTeam(id: string, teamId: string): Promise<Instance | null> {
    const where = { teamId, OR: [{ id }, { placements: { some: { novitaId: id } } }] };
    return this.opened(await this.prisma.instance.findFirst({ where }));
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

  private async toRow(instance: Instance): Promise<Instance> {
    const { connection, id } = instance;
    return { ...instance, connection: connection && (await this.vault.seal(connection, id)) };
  }

  private async opened(row: InstanceRow | null): Promise<Instance | null> {
    if (row === null) return null;
    const stored = row.connection as StoredConnection | null;
    return toInstance(row, stored && (await this.vault.open(stored, row.id)));
  }
}

function toInstance(row: InstanceRow, connection: Connection | null): Instance {
  return {
    ...row,
    billingMode: row.billingMode === 'onDemand' ? 'onDemand' : 'spot',
    readiness: row.readiness as Readiness | null,
    connection,
    labels: row.labels as Record<string, string>,
    action: row.action as Action | null,
    desired: row.desired as Desired,
    phase: row.phase as Phase,
    spotPolicy: row.spotPolicy as SpotPolicy,
  };
}
