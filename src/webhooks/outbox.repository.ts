import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../events/event.js';
import { type AnyTx, run, type Statement } from '../platform/database/statement.js';

const ENSURE_ENDPOINT: Statement = {
  name: 'outbox-ensure-endpoint',
  text: `
    INSERT INTO webhook_endpoints (id, team_id, kind, url, created_at, updated_at)
    SELECT $1, $2, 'instance', $3, $4::timestamptz, $4::timestamptz
     WHERE NOT EXISTS (SELECT FROM webhook_endpoints WHERE team_id = $2 AND kind = 'instance' AND url = $3)
    ON CONFLICT DO NOTHING`,
};

/** Ids are made from event and receiver, of which each pair has one delivery. */
const INSERT_DELIVERIES: Statement = {
  name: 'outbox-insert-deliveries',
  text: `
    INSERT INTO webhook_deliveries (id, event_id, endpoint_id, team_id, instance_id, sequence, created_at, next_attempt_at)
    SELECT 'dlv_' || left(encode(sha256(($1::text || '/' || w.id)::bytea), 'hex'), 32), $1::text, w.id, $2::text, $3::text,
           $4::int, $5::timestamptz, $5::timestamptz
      FROM webhook_endpoints w
     WHERE w.team_id = $2::text AND w.state <> 'deleted'
       AND ((w.kind = 'instance' AND w.url = $6::text)
         OR (w.kind = 'subscription' AND (cardinality(w.event_types) = 0 OR $7::text = ANY (w.event_types))))`,
};

@Injectable()
export class OutboxRepository {
  /** The one row for a team's URL; made when it is first used. */
  async ensureInstanceEndpoint(
    { id, teamId, url, now }: { id: string; teamId: string; url: string; now: Date },
    tx: AnyTx,
  ): Promise<void> {
    await run(tx, ENSURE_ENDPOINT, [id, teamId, url, now]);
  }

  async insertDeliveries(event: NewEvent, webhookUrl: string | null, tx: AnyTx): Promise<void> {
    const { id, teamId, instanceId, sequence, type, occurredAt } = event;
    await run(tx, INSERT_DELIVERIES, [id, teamId, instanceId, sequence, occurredAt, webhookUrl, type]);
  }
}
