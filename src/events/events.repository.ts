import { Injectable } from '@nestjs/common';
import { Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { inOneGo } from '../platform/database/in-one-go.js';
import { insertingRows } from '../platform/database/row-statements.js';
import type { AnyTx } from '../platform/database/statement.js';
import { type EventCursor, parseCursor } from './domain/cursor.js';
import type { Actor, EventType, NewEvent, RecordedEvent } from './event.js';

export interface EventFilter {
  /** Null: of every team. */
  readonly teamId: string | null;
  /** Null: of every type. */
  readonly types: readonly EventType[] | null;
}

export interface EventPage {
  readonly events: RecordedEvent[];
  /** Everything up to here was looked at and is final. */
  readonly next: EventCursor;
  readonly hasMore: boolean;
  /** Committed events wait behind a transaction that is still open. */
  readonly isUnsettled: boolean;
}

interface EventRow {
  position: bigint;
  txId: bigint;
  id: string;
  instanceId: string;
  teamId: string;
  sequence: number;
  type: string;
  actor: string;
  fromPhase: string | null;
  toPhase: string;
  reasonCode: string | null;
  data: Record<string, unknown>;
  body: string | null;
  occurredAt: Date;
}

interface Bounds {
  horizon: bigint;
  isUnsettled: boolean;
  windowTxId: bigint | null;
  windowPosition: bigint | null;
}

/** A filtered read looks at no more events than this, so that a rare type cannot make it slow. */
const WINDOW = 5_000;
export const SWEPT_KEY = 'events-swept-to';
const OFFSET_KEY = 'event-tx-offset';
/** Any number that nothing else in the database locks. */
const CLOCK_LOCK = 7_201_846_535_193n;

const COLUMNS = Prisma.sql`position, tx_id AS "txId", id, instance_id AS "instanceId", team_id AS "teamId", sequence, type,
  actor, from_phase AS "fromPhase", to_phase AS "toPhase", reason_code AS "reasonCode", data, body, occurred_at AS "occurredAt"`;

/** Position and transaction are the database's to give. */
const WRITTEN = [
  'id',
  'instanceId',
  'teamId',
  'sequence',
  'type',
  'actor',
  'fromPhase',
  'toPhase',
  'reasonCode',
  'data',
  'body',
  'occurredAt',
] as const satisfies readonly (keyof NewEvent)[];
const INSERTING = insertingRows<NewEvent>('events-insert', 'events', WRITTEN);

@Injectable()
export class EventsRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(event: NewEvent, tx: AnyTx): Promise<void> {
    await inOneGo(tx, INSERTING, event);
  }

  /** The end of what is final: a reader that starts here sees everything that is written from now on. */
  async end(): Promise<EventCursor> {
    const [row] = await this.prisma.$queryRaw<{ horizon: bigint }[]>`SELECT event_horizon() AS horizon`;
    return { txId: row?.horizon ?? 0n, position: 0n };
  }

  /** Final events only: no later call, with whatever cursor of this page, can find one before its `next`. */
  async listAfter(after: EventCursor, filter: EventFilter, limit: number): Promise<EventPage> {
    const bounds = await this.boundsAfter(after, filter);
    const end =
      bounds.windowTxId === null
        ? { txId: bounds.horizon - 1n, position: 2n ** 63n - 1n }
        : { txId: bounds.windowTxId, position: bounds.windowPosition ?? 0n };
    const rows = await this.prisma.$queryRaw<EventRow[]>`
      SELECT ${COLUMNS} FROM events
       WHERE (tx_id, position) > (${after.txId}, ${after.position}) AND (tx_id, position) <= (${end.txId}, ${end.position})
             ${onTeam(filter)} ${filter.types === null ? Prisma.empty : Prisma.sql`AND type = ANY(${[...filter.types]})`}
       ORDER BY tx_id, position LIMIT ${limit}`;
    const events = rows.map(toEvent);
    const last = events.at(-1);
    const isFull = last !== undefined && events.length === limit;
    const lookedAt = bounds.windowTxId === null ? { txId: bounds.horizon, position: 0n } : end;
    return {
      events,
      next: isFull ? last.cursor : laterOf(lookedAt, after),
      hasMore: isFull || bounds.windowTxId !== null,
      isUnsettled: bounds.isUnsettled,
    };
  }

  /** Sequences of one instance are committed in their order, so that its own number is a safe place to go on from. */
  async listOfInstance(instanceId: string, afterSequence: number, limit: number): Promise<RecordedEvent[]> {
    const rows = await this.prisma.$queryRaw<EventRow[]>`
      SELECT ${COLUMNS} FROM events WHERE instance_id = ${instanceId} AND sequence > ${afterSequence}
       ORDER BY sequence LIMIT ${limit}`;
    return rows.map(toEvent);
  }

  /** Up to where events may have been removed with age; null when none have. */
  async sweptTo(): Promise<EventCursor | null> {
    const row = await this.prisma.deployment.findUnique({ where: { key: SWEPT_KEY } });
    return row === null ? null : parseCursor(row.value);
  }

  /**
   * A database that was restored from a dump counts its transactions from the start again: without this, its events would
   * seem to lie in the future, where no reader looks.
   */
  async settleClock(): Promise<void> {
    await this.prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT pg_advisory_xact_lock(${CLOCK_LOCK})`;
      await tx.$executeRaw`
        WITH latest AS (SELECT max(tx_id) AS tx_id FROM events)
        INSERT INTO deployment (key, value)
        SELECT ${OFFSET_KEY}, (latest.tx_id + 1 - (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint)::text FROM latest
         WHERE latest.tx_id >= event_horizon() + (pg_snapshot_xmax(pg_current_snapshot())::text)::bigint
                                               - (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
        ON CONFLICT (key) DO UPDATE SET value = excluded.value`;
    });
  }

  private async boundsAfter(after: EventCursor, filter: EventFilter): Promise<Bounds> {
    const window =
      filter.types === null
        ? Prisma.sql`SELECT NULL::bigint AS tx_id, NULL::bigint AS position WHERE false`
        : Prisma.sql`SELECT tx_id, position FROM events
                      WHERE (tx_id, position) > (${after.txId}, ${after.position}) AND tx_id < h.horizon ${onTeam(filter)}
                      ORDER BY tx_id, position OFFSET ${WINDOW - 1} LIMIT 1`;
    const [row] = await this.prisma.$queryRaw<Bounds[]>`
      SELECT h.horizon, EXISTS (SELECT FROM events WHERE tx_id >= h.horizon) AS "isUnsettled",
             w.tx_id AS "windowTxId", w.position AS "windowPosition"
        FROM (SELECT event_horizon() AS horizon) h LEFT JOIN LATERAL (${window}) w ON true`;
    if (row === undefined) throw new Error('The log did not say where it ends');
    return row;
  }
}

function onTeam({ teamId }: EventFilter): Prisma.Sql {
  return teamId === null ? Prisma.empty : Prisma.sql`AND team_id = ${teamId}`;
}

function laterOf(a: EventCursor, b: EventCursor): EventCursor {
  return a.txId > b.txId ? a : b;
}

function toEvent({ position, txId, ...row }: EventRow): RecordedEvent {
  return { ...row, actor: row.actor as Actor, type: row.type as EventType, cursor: { txId, position } };
}
