import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../events/event.js';
import type { Tx } from '../platform/database/unit-of-work.js';

@Injectable()
export class OutboxRepository {
  /** The one row for a team's URL; made when it is first used. */
  async ensureInstanceEndpoint(
    endpoint: { id: string; teamId: string; url: string; now: Date },
    tx: Tx,
  ): Promise<void> {
    const { id, teamId, url, now } = endpoint;
    const known = await tx.webhookEndpoint.findFirst({
      where: { teamId, kind: 'instance', url },
      select: { id: true },
    });
    if (known !== null) return;
    await tx.$executeRaw`
      INSERT INTO webhook_endpoints (id, team_id, kind, url, created_at, updated_at)
      VALUES (${id}, ${teamId}, 'instance', ${url}, ${now}, ${now}) ON CONFLICT DO NOTHING`;
  }

  /** Ids are made from event and receiver, of which each pair has one delivery. */
  async insertDeliveries(event: NewEvent, webhookUrl: string | null, tx: Tx): Promise<void> {
    const { id, teamId, instanceId, sequence, type, occurredAt } = event;
    await tx.$executeRaw`
      INSERT INTO webhook_deliveries (id, event_id, endpoint_id, team_id, instance_id, sequence, created_at, next_attempt_at)
      SELECT 'dlv_' || left(encode(sha256((${id}::text || '/' || w.id)::bytea), 'hex'), 32), ${id}, w.id, ${teamId},
             ${instanceId}, ${sequence}, ${occurredAt}, ${occurredAt}
        FROM webhook_endpoints w
       WHERE w.team_id = ${teamId} AND w.state <> 'deleted'
         AND ((w.kind = 'instance' AND w.url = ${webhookUrl})
           OR (w.kind = 'subscription' AND (cardinality(w.event_types) = 0 OR ${type} = ANY (w.event_types))))`;
  }
}
