import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../events/event.js';
import { addMs } from '../platform/clock.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';

/** A delivery in hand: nobody else sends it until the claim ends, and a result under an older claim is refused. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly instanceId: string;
  readonly sequence: number;
  readonly attempts: number;
  readonly body: string;
  readonly url: string;
  readonly claimToken: string;
}

export interface DeliveryResult {
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly nextAttemptAt: Date | null;
  readonly deliveredAt: Date | null;
  readonly lastStatus: number | null;
  readonly lastClass: string | null;
}

@Injectable()
export class WebhooksRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** The one row for a team's URL; made when it is first used. */
  async inlineEndpoint(endpoint: { id: string; teamId: string; url: string; now: Date }, tx: Tx): Promise<string> {
    const { id, teamId, url, now } = endpoint;
    const key = { teamId, kind: 'inline', url };
    const known = await tx.webhookEndpoint.findUnique({ where: { teamId_kind_url: key }, select: { id: true } });
    if (known) return known.id;
    await tx.webhookEndpoint.createMany({
      data: [{ id, ...key, createdAt: now, updatedAt: now }],
      skipDuplicates: true,
    });
    const made = await tx.webhookEndpoint.findUniqueOrThrow({ where: { teamId_kind_url: key }, select: { id: true } });
    return made.id;
  }

  async insertDelivery(
    { id, event, endpointId }: { id: string; event: NewEvent; endpointId: string },
    tx: Tx,
  ): Promise<void> {
    const { instanceId, sequence, occurredAt } = event;
    const data = {
      id,
      eventId: event.id,
      endpointId,
      instanceId,
      sequence,
      createdAt: occurredAt,
      nextAttemptAt: occurredAt,
    };
    await tx.webhookDelivery.create({ data });
  }

  async listDueEndpointIds(now: Date, limit: number): Promise<string[]> {
    const rows = await this.prisma.$queryRaw<{ endpoint_id: string }[]>`
      SELECT DISTINCT endpoint_id FROM webhook_deliveries
       WHERE state = 'pending' AND next_attempt_at <= ${now} AND (claimed_until IS NULL OR claimed_until < ${now})
       LIMIT ${limit}`;
    return rows.map((row) => row.endpoint_id);
  }

  /** The heads of each instance's line at this receiver: a later event waits for the earlier one. */
  async claimDue(
    endpointId: string,
    claim: { now: Date; token: string; leaseMs: number; limit: number },
  ): Promise<ClaimedDelivery[]> {
    const { now, token, leaseMs, limit } = claim;
    return this.prisma.$queryRaw<ClaimedDelivery[]>`
      UPDATE webhook_deliveries d SET claimed_until = ${addMs(now, leaseMs)}, claim_token = ${token}, attempts = d.attempts + 1
        FROM events e, webhook_endpoints w
       WHERE e.id = d.event_id AND w.id = d.endpoint_id AND d.id IN (
         SELECT c.id FROM webhook_deliveries c
          WHERE c.endpoint_id = ${endpointId} AND c.state = 'pending' AND c.next_attempt_at <= ${now}
            AND (c.claimed_until IS NULL OR c.claimed_until < ${now})
            AND NOT EXISTS (SELECT FROM webhook_deliveries b
                             WHERE b.endpoint_id = c.endpoint_id AND b.instance_id = c.instance_id AND b.state = 'pending' AND b.sequence < c.sequence)
          ORDER BY c.next_attempt_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)
      RETURNING d.id, d.event_id AS "eventId", d.instance_id AS "instanceId", d.sequence, d.attempts, e.body, w.url, d.claim_token AS "claimToken"`;
  }

  async recordResult(delivery: ClaimedDelivery, result: DeliveryResult): Promise<boolean> {
    const where = { id: delivery.id, claimToken: delivery.claimToken };
    const { count } = await this.prisma.webhookDelivery.updateMany({
      where,
      data: { ...result, claimedUntil: null, claimToken: null },
    });
    return count === 1;
  }
}
