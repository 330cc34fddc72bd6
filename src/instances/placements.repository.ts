import { Injectable } from '@nestjs/common';
import { type Placement as PlacementRow, Prisma } from '../generated/prisma/client.js';
import type { BillingMode, MachineStatus, MappedPort, SpotStatus } from '../novita/novita-client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { insertStatement, selectStatement, valuesOf } from '../platform/database/row-statements.js';
import { type AnyTx, run, type Statement } from '../platform/database/statement.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { IN_MOTION } from './domain/instance.js';
import type { LivePlacement, Placement, PlacementState } from './domain/placement.js';

/** So many at a time: their parsing must not keep anybody waiting. */
const LIVE_AT_ONCE = 500;

/** The read with the most rows of all. Times come as epoch milliseconds, which cost less to read than texts. */
const LIVE: Statement = {
  name: 'live-placements',
  text: `
    SELECT id, instance_id AS "instanceId", unique_name AS "uniqueName", state, billing_mode AS "billingMode",
           novita_id AS "novitaId", seen_status AS "seenStatus", seen_raw_status AS "seenRawStatus", seen_error AS "seenError",
           seen_spot_status AS "seenSpotStatus",
           (1000 * extract(epoch FROM seen_reclaim_at))::float8 AS "seenReclaimAt",
           (1000 * extract(epoch FROM missing_since))::float8 AS "missingSince",
           (1000 * extract(epoch FROM created_at))::float8 AS "createdAt"
      FROM placements WHERE state IN ('intended', 'confirmed', 'retiring') AND id > $1 ORDER BY id LIMIT ${LIVE_AT_ONCE}`,
};

const COLUMNS = Object.values(Prisma.PlacementScalarFieldEnum);
const INSERT = insertStatement<PlacementRow>('placements-insert', 'placements', COLUMNS);
const FIND = selectStatement<PlacementRow>('placements-find', 'placements', COLUMNS, 'WHERE id = $1');
const OF_INSTANCE = selectStatement<PlacementRow>(
  'placements-of-instance',
  'placements',
  COLUMNS,
  'WHERE instance_id = $1 ORDER BY created_at, id',
);
/** What this service decides about a placement; an id once known is never taken back. */
const DECIDE: Statement = {
  name: 'placements-decide',
  text: `
    UPDATE placements
       SET state = $3, outcome_unknown_since = $4, retire_reason = $5, delete_sent_at = $6, retire_attempts = $7, next_check_at = $8,
           billed_to = $9, updated_at = $10, novita_id = COALESCE($11, novita_id), version = version + 1
     WHERE id = $1 AND version = $2`,
};

type LiveRow = Pick<PlacementRow, Exclude<keyof LivePlacement, 'seenReclaimAt' | 'missingSince' | 'createdAt'>> & {
  readonly seenReclaimAt: number | null;
  readonly missingSince: number | null;
  readonly createdAt: number;
};

@Injectable()
export class PlacementsRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(placement: Placement, tx: AnyTx): Promise<void> {
    await run(tx, INSERT, valuesOf({ ...placement, ports: JSON.stringify(placement.ports) }, COLUMNS));
  }

  /** Writes what this service decides, guarded by the version; what upstream shows is the observer's to write. */
  async update(placement: Placement, tx: AnyTx): Promise<boolean> {
    const { id, version, state, outcomeUnknownSince, retireReason, deleteSentAt, retireAttempts } = placement;
    const { nextCheckAt, billedTo, updatedAt, novitaId } = placement;
    const decided = [state, outcomeUnknownSince, retireReason, deleteSentAt, retireAttempts, nextCheckAt, billedTo];
    const { count } = await run(tx, DECIDE, [id, version, ...decided, updatedAt, novitaId]);
    return count === 1;
  }

  /** The answer of create is kept whatever became of the order meanwhile: a machine whose id is lost would bill unseen. */
  async keepNovitaId(id: string, novitaId: string): Promise<void> {
    await this.prisma.placement.updateMany({
      where: { id, novitaId: null },
      data: { novitaId, version: { increment: 1 } },
    });
  }

  async find(id: string, tx: Tx = this.prisma): Promise<Placement | null> {
    const { rows } = await run<PlacementRow>(tx, FIND, [id]);
    return rows[0] === undefined ? null : toPlacement(rows[0]);
  }

  async listOf(instanceId: string, tx: Tx = this.prisma): Promise<Placement[]> {
    const { rows } = await run<PlacementRow>(tx, OF_INSTANCE, [instanceId]);
    return rows.map(toPlacement);
  }

  /** What becomes live meanwhile may be missing, as if it had come after. */
  async listLive(): Promise<LivePlacement[]> {
    const live: LivePlacement[] = [];
    for (;;) {
      const { rows } = await run<LiveRow>(this.prisma, LIVE, [live.at(-1)?.id ?? '']);
      for (const row of rows) live.push(toLivePlacement(row));
      if (rows.length < LIVE_AT_ONCE) return live;
    }
  }

  /** Something is on its way up or down, so that it is worth looking often. */
  async isAnyInTransition(): Promise<boolean> {
    const unsettled = [
      { seenStatus: null },
      { seenStatus: { notIn: ['running', 'exited', 'other'] } },
      { missingSince: { not: null } },
    ];
    const moving = { instance: { phase: { in: [...IN_MOTION] } } };
    const where = {
      OR: [{ state: { in: ['intended', 'retiring'] } }, { state: 'confirmed', OR: [...unsettled, moving] }],
    };
    return (await this.prisma.placement.findFirst({ where, select: { id: true } })) !== null;
  }

  async listDueRetirements(now: Date, limit: number): Promise<string[]> {
    const where = { state: 'retiring', nextCheckAt: { lte: now } };
    const rows = await this.prisma.placement.findMany({
      where,
      orderBy: { nextCheckAt: 'asc' },
      take: limit,
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }
}

function toLivePlacement(row: LiveRow): LivePlacement {
  const { seenReclaimAt, missingSince } = row;
  return {
    ...row,
    state: row.state as PlacementState,
    billingMode: toBillingMode(row.billingMode),
    seenStatus: row.seenStatus as MachineStatus | null,
    seenSpotStatus: row.seenSpotStatus as SpotStatus | null,
    seenReclaimAt: seenReclaimAt === null ? null : new Date(seenReclaimAt),
    missingSince: missingSince === null ? null : new Date(missingSince),
    createdAt: new Date(row.createdAt),
  };
}

function toBillingMode(text: string): BillingMode {
  return text === 'onDemand' ? 'onDemand' : 'spot';
}

export function toPlacement(row: PlacementRow): Placement {
  return {
    ...row,
    // A bigint, which pg leaves as a text.
    pricePerHourMicros: BigInt(row.pricePerHourMicros),
    state: row.state as PlacementState,
    billingMode: toBillingMode(row.billingMode),
    ports: row.ports as unknown as MappedPort[],
    seenStatus: row.seenStatus as MachineStatus | null,
    seenSpotStatus: row.seenSpotStatus as SpotStatus | null,
  };
}
