import { Injectable } from '@nestjs/common';
import { Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { Page } from '../platform/http/pagination.js';
import type { DeliveryPlace } from './domain/delivery-place.js';

/** `held`: pending at a receiver that is switched off. */
export type DeliveryStatus = 'pending' | 'held' | 'delivered' | 'failed' | 'expired' | 'cancelled';
export const DELIVERY_STATUSES: readonly DeliveryStatus[] = [
  'pending',
  'held',
  'delivered',
  'failed',
  'expired',
  'cancelled',
];

export interface DeliveryFilter {
  readonly teamId: string;
  readonly webhookId?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly status?: DeliveryStatus | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** Some of those that a filter finds. */
export interface DeliveryChoice extends DeliveryFilter {
  readonly id?: string;
  readonly after?: DeliveryPlace | null;
}

export interface Delivery {
  readonly id: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly webhookId: string;
  readonly instanceId: string;
  readonly sequence: number;
  readonly status: DeliveryStatus;
  readonly attempts: number;
  readonly nextAttemptAt: Date | null;
  readonly lastStatus: number | null;
  readonly lastClass: string | null;
  readonly lastAttemptAt: Date | null;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
}

export interface Attempt {
  readonly at: Date;
  readonly status: number | null;
  readonly class: string | null;
  readonly durationMs: number;
  readonly bytes: number;
  readonly isProbe: boolean;
}

const STATUS = Prisma.sql`CASE WHEN d.state = 'pending' AND w.state = 'disabled' THEN 'held' ELSE d.state END`;

@Injectable()
export class DeliveriesRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** The newest first. */
  async list(filter: DeliveryFilter, page: Page): Promise<Delivery[]> {
    return this.prisma.$queryRaw<Delivery[]>`
      SELECT d.id, d.event_id AS "eventId", e.type AS "eventType", d.endpoint_id AS "webhookId", d.instance_id AS "instanceId",
             d.sequence, ${STATUS} AS status, d.attempts, CASE WHEN d.state = 'pending' THEN d.next_attempt_at END AS "nextAttemptAt",
             d.last_status AS "lastStatus", d.last_class AS "lastClass", d.last_attempt_at AS "lastAttemptAt",
             d.created_at AS "createdAt", d.delivered_at AS "deliveredAt"
        FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id JOIN events e ON e.id = d.event_id
       WHERE ${matches(filter)} ORDER BY d.created_at DESC, d.id LIMIT ${page.limit} OFFSET ${page.offset}`;
  }

  async find(id: string, teamId: string): Promise<Delivery | null> {
    const row = await this.prisma.webhookDelivery.findFirst({
      where: { id, teamId },
      include: { event: { select: { type: true } }, endpoint: { select: { state: true } } },
    });
    if (row === null) return null;
    const { event, endpoint, endpointId, state, ...columns } = row;
    const isHeld = state === 'pending' && endpoint.state === 'disabled';
    return {
      ...columns,
      eventType: event.type,
      webhookId: endpointId,
      status: isHeld ? 'held' : (state as DeliveryStatus),
      nextAttemptAt: state === 'pending' ? columns.nextAttemptAt : null,
    };
  }

  async attemptsOf(deliveryId: string): Promise<Attempt[]> {
    return this.prisma.webhookAttempt.findMany({ where: { deliveryId }, orderBy: { id: 'asc' } });
  }

  /**
   * Puts deliveries back into their instances' lines with all their tries; the oldest first when there are more than `limit`.
   * What still waits becomes due at once. @returns how many, and the place of the last one.
   */
  async redeliver(
    filter: DeliveryChoice,
    now: Date,
    limit: number,
    tx: Tx,
  ): Promise<{ count: number; last: DeliveryPlace | null }> {
    await this.lockReceivers(filter, tx);
    const one = filter.id === undefined ? Prisma.empty : Prisma.sql`AND d.id = ${filter.id}`;
    const { after } = filter;
    const later = after ? Prisma.sql`AND (d.created_at, d.id) > (${after.createdAt}, ${after.id})` : Prisma.empty;
    const [again] = await tx.$queryRaw<{ count: number; createdAt: Date | null; id: string | null }[]>`
      WITH chosen AS (
        SELECT d.id, d.created_at FROM webhook_deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
         WHERE ${matches(filter)} ${one} ${later} AND w.state <> 'deleted'
         ORDER BY d.created_at, d.id LIMIT ${limit} FOR UPDATE OF d),
      again AS (
        UPDATE webhook_deliveries t
           SET state = 'pending', attempts = 0, client_errors = 0, parked = false, next_attempt_at = ${now}, delivered_at = NULL
          FROM chosen WHERE t.id = chosen.id)
      SELECT last.*, (SELECT count(*)::int FROM chosen) AS count FROM (SELECT) one
        LEFT JOIN LATERAL (
          SELECT created_at AS "createdAt", id FROM chosen ORDER BY created_at DESC, id DESC LIMIT 1) last ON true`;
    await tx.$executeRaw`SELECT pg_notify('events', '')`;
    const { count = 0, createdAt = null, id = null } = again ?? {};
    return { count, last: createdAt === null || id === null ? null : { createdAt, id } };
  }

  /** Whoever notes what a try got locks the receiver before its deliveries; so does whoever changes many of them. */
  private async lockReceivers({ teamId, webhookId, id }: DeliveryChoice, tx: Tx): Promise<void> {
    const [one, theirs] = [
      webhookId === undefined ? Prisma.empty : Prisma.sql`AND id = ${webhookId}`,
      id === undefined
        ? Prisma.empty
        : Prisma.sql`AND id IN (SELECT endpoint_id FROM webhook_deliveries WHERE id = ${id})`,
    ];
    await tx.$executeRaw`
      SELECT FROM webhook_endpoints WHERE team_id = ${teamId} ${one} ${theirs} ORDER BY id FOR NO KEY UPDATE`;
  }
}

function matches({ teamId, webhookId, instanceId, status, from, to }: DeliveryFilter): Prisma.Sql {
  const conditions = [
    Prisma.sql`d.team_id = ${teamId}`,
    ...(webhookId === undefined ? [] : [Prisma.sql`d.endpoint_id = ${webhookId}`]),
    ...(instanceId === undefined ? [] : [Prisma.sql`d.instance_id = ${instanceId}`]),
    ...(status === undefined ? [] : [statusIs(status)]),
    ...(from === undefined ? [] : [Prisma.sql`d.created_at >= ${from}`]),
    ...(to === undefined ? [] : [Prisma.sql`d.created_at < ${to}`]),
  ];
  return Prisma.join(conditions, ' AND ');
}

function statusIs(status: DeliveryStatus): Prisma.Sql {
  if (status === 'held') return Prisma.sql`d.state = 'pending' AND w.state = 'disabled'`;
  if (status === 'pending') return Prisma.sql`d.state = 'pending' AND w.state <> 'disabled'`;
  return Prisma.sql`d.state = ${status}`;
}
