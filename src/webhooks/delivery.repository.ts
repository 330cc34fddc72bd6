import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import { groupBy } from '../platform/group-by.js';
import type { Breaker } from './domain/breaker.js';
import type { DisabledReason, EndpointKind, SealedSecret } from './domain/endpoint.js';

/** A receiver in hand: no other replica sends to it until the claim ends. */
export interface ClaimedEndpoint {
  readonly id: string;
  readonly kind: EndpointKind;
  readonly url: string;
  readonly secrets: readonly SealedSecret[];
  readonly breaker: Breaker;
  readonly token: string;
}

export interface DueDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly instanceId: string;
  readonly sequence: number;
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date;
  readonly body: string;
}

/** What one try came to: the delivery's next state and the receiver's, which are written together. */
export interface AttemptRecord {
  readonly endpointId: string;
  readonly token: string;
  readonly deliveryId: string;
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date | null;
  readonly at: Date;
  readonly status: number | null;
  readonly class: string | null;
  readonly durationMs: number;
  readonly bytes: number;
  readonly isProbe: boolean;
  readonly breaker: Breaker;
  readonly disabledBecause: DisabledReason | null;
}

export interface LoadRequest {
  readonly endpointId: string;
  /** Lines of instances after this one come next. */
  readonly afterInstanceId: string;
}

interface ClaimRow {
  id: string;
  kind: EndpointKind;
  url: string;
  secrets: SealedSecret[];
  failuresInRow: number;
  nextProbeAt: Date | null;
  failedProbes: number;
  failingSince: Date | null;
  token: string;
}

/** How many instances' lines one look brings at most, and how many events of each. */
export const LINES = 32;
export const LINE_DEPTH = 16;

const HEADS_FROM = `webhook_deliveries d WHERE d.endpoint_id = o.id AND d.state = 'pending' AND NOT d.parked`;

/**
 * The first event of each instance's line at receiver `o.id`, found by stepping over the index from instance to instance:
 * the many events that wait behind a first one are not looked at.
 */
const HEADS = `
  WITH RECURSIVE line AS (
    (SELECT d.instance_id, d.next_attempt_at FROM ${HEADS_FROM} AND d.instance_id > o.after_id
      ORDER BY d.instance_id, d.sequence LIMIT 1)
    UNION ALL
    SELECT n.* FROM line, LATERAL (
      SELECT d.instance_id, d.next_attempt_at FROM ${HEADS_FROM} AND d.instance_id > line.instance_id
       ORDER BY d.instance_id, d.sequence LIMIT 1) n)
  SELECT instance_id FROM line WHERE next_attempt_at <= $1`;

const DELIVERY = `d.id, d.endpoint_id AS "endpointId", d.event_id AS "eventId", d.instance_id AS "instanceId", d.sequence, d.attempts,
  d.client_errors AS "clientErrors", d.parked, d.next_attempt_at AS "nextAttemptAt", e.body`;

const CLAIM = `
  WITH RECURSIVE waiting AS (
    (SELECT endpoint_id AS id FROM webhook_deliveries WHERE state = 'pending' ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT n.id FROM waiting, LATERAL (
      SELECT endpoint_id AS id FROM webhook_deliveries WHERE state = 'pending' AND endpoint_id > waiting.id
       ORDER BY endpoint_id LIMIT 1) n),
  chosen AS (
    SELECT w.id FROM waiting JOIN webhook_endpoints w USING (id), LATERAL (SELECT w.id, '' AS after_id) o
     WHERE w.state = 'enabled' AND (w.claimed_until IS NULL OR w.claimed_until < clock_timestamp())
       AND (w.failures_in_row > 0) = $4
       AND CASE WHEN w.next_probe_at IS NOT NULL THEN w.next_probe_at <= $1
                ELSE EXISTS (${HEADS}) OR EXISTS (
                  SELECT FROM webhook_deliveries d
                   WHERE d.endpoint_id = w.id AND d.state = 'pending' AND d.parked AND d.next_attempt_at <= $1) END
     LIMIT $2 FOR NO KEY UPDATE OF w SKIP LOCKED)
  UPDATE webhook_endpoints w
     SET claimed_until = clock_timestamp() + make_interval(secs => $3), claim_token = w.claim_token + 1
    FROM chosen WHERE w.id = chosen.id
  RETURNING w.id, w.kind, w.url, w.secrets, w.failures_in_row AS "failuresInRow", w.next_probe_at AS "nextProbeAt",
            w.failed_probes AS "failedProbes", w.failing_since AS "failingSince", w.claim_token::text AS token`;

const LOAD = `
  SELECT ${DELIVERY}
    FROM jsonb_to_recordset($2::jsonb) AS o (id text, after_id text)
   CROSS JOIN LATERAL (SELECT h.*, row_number() OVER () AS place FROM (${HEADS}) h LIMIT ${LINES}) l
   CROSS JOIN LATERAL (
     SELECT * FROM webhook_deliveries d
      WHERE d.endpoint_id = o.id AND d.instance_id = l.instance_id AND d.state = 'pending' AND NOT d.parked
      ORDER BY d.sequence LIMIT ${LINE_DEPTH}) d
    JOIN events e ON e.id = d.event_id ORDER BY l.place, d.sequence`;

const LOAD_PARKED = `
  SELECT ${DELIVERY}
    FROM jsonb_to_recordset($2::jsonb) AS o (id text, after_id text)
   CROSS JOIN LATERAL (
     SELECT * FROM webhook_deliveries d
      WHERE d.endpoint_id = o.id AND d.state = 'pending' AND d.parked AND d.next_attempt_at <= $1
      ORDER BY d.next_attempt_at LIMIT ${LINES}) d
    JOIN events e ON e.id = d.event_id`;

const LOAD_OLDEST = `
  SELECT ${DELIVERY} FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
   WHERE d.endpoint_id = $1 AND d.state = 'pending' ORDER BY d.created_at, d.sequence LIMIT 1`;

/** Everything in one statement: the fence, the deliveries, the receivers, and what each try got. */
const RECORD = `
  WITH r AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (n int, "endpointId" text, token bigint, "deliveryId" text, state text, attempts int,
      "clientErrors" int, parked boolean, "nextAttemptAt" timestamptz, at timestamptz, status int, class text, "durationMs" int, bytes int,
      "isProbe" boolean, breaker jsonb, "disabledBecause" text)),
  latest AS (SELECT DISTINCT ON ("endpointId", token) * FROM r ORDER BY "endpointId", token, n DESC),
  held AS (
    SELECT w.id, l.token, l.n FROM webhook_endpoints w JOIN latest l ON l."endpointId" = w.id AND l.token = w.claim_token
     ORDER BY w.id FOR NO KEY UPDATE OF w),
  receiver AS (
    UPDATE webhook_endpoints w SET
      failures_in_row = (l.breaker->>'failuresInRow')::int,
      next_probe_at = (l.breaker->>'nextProbeAt')::timestamptz,
      failed_probes = (l.breaker->>'failedProbes')::int,
      failing_since = (l.breaker->>'failingSince')::timestamptz,
      last_success_at = CASE WHEN l.class IS NULL THEN l.at ELSE w.last_success_at END,
      last_failure_at = CASE WHEN l.class IS NULL THEN w.last_failure_at ELSE l.at END,
      state = CASE WHEN l."disabledBecause" IS NULL THEN w.state ELSE 'disabled' END,
      disabled_reason = coalesce(l."disabledBecause", w.disabled_reason),
      disabled_at = CASE WHEN l."disabledBecause" IS NULL THEN w.disabled_at ELSE l.at END,
      claimed_until = clock_timestamp() + make_interval(secs => $2)
     FROM latest l JOIN held ON held.n = l.n WHERE w.id = held.id),
  done AS (
    UPDATE webhook_deliveries d SET state = r.state, attempts = r.attempts, client_errors = r."clientErrors", parked = r.parked,
      next_attempt_at = r."nextAttemptAt", last_status = r.status, last_class = r.class, last_attempt_at = r.at,
      delivered_at = CASE WHEN r.state = 'delivered' THEN r.at END
     FROM r JOIN held ON held.id = r."endpointId" AND held.token = r.token WHERE d.id = r."deliveryId" AND d.state = 'pending'),
  tries AS (
    INSERT INTO webhook_attempts (delivery_id, at, status, class, duration_ms, bytes, is_probe)
    SELECT r."deliveryId", r.at, r.status, r.class, r."durationMs", r.bytes, r."isProbe" FROM r JOIN held ON held.id = r."endpointId" AND held.token = r.token)
  SELECT id, token::text FROM held`;

const RENEW = `
  UPDATE webhook_endpoints w SET claimed_until = clock_timestamp() + make_interval(secs => $2)
    FROM jsonb_to_recordset($1::jsonb) AS o (id text, token bigint)
   WHERE w.id = o.id AND w.claim_token = o.token AND w.state = 'enabled' RETURNING w.id`;

const RELEASE = `
  UPDATE webhook_endpoints w SET claimed_until = NULL, claim_token = w.claim_token + 1
    FROM jsonb_to_recordset($1::jsonb) AS o (id text, token bigint) WHERE w.id = o.id AND w.claim_token = o.token`;

const PULL_FORWARD = `
  UPDATE webhook_deliveries SET next_attempt_at = $2 WHERE endpoint_id = $1 AND state = 'pending' AND next_attempt_at > $2`;

/** What the sending of webhooks reads and writes; prepared statements, because they run a thousand times a second. */
@Injectable()
export class DeliveryRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** Receivers with something to send that no replica works on; by the clock of the database, so that clocks need not agree. */
  async claimEndpoints(claim: {
    now: Date;
    limit: number;
    leaseMs: number;
    failing: boolean;
  }): Promise<ClaimedEndpoint[]> {
    const { now, limit, leaseMs, failing } = claim;
    const rows = await this.query<ClaimRow>('webhooks-claim', CLAIM, [now, limit, leaseMs / 1000, failing]);
    return rows.map(({ failuresInRow, nextProbeAt, failedProbes, failingSince, ...row }) => ({
      ...row,
      breaker: { failuresInRow, nextProbeAt, failedProbes, failingSince },
    }));
  }

  /** Lines in the database's order of instances, each in its own order; what has stepped out of its line comes last. */
  async loadDue(requests: readonly LoadRequest[], now: Date): Promise<DueDelivery[][]> {
    const asked = JSON.stringify(
      requests.map(({ endpointId, afterInstanceId }) => ({ id: endpointId, after_id: afterInstanceId })),
    );
    const [lines, parked] = await Promise.all([
      this.query<DueDelivery>('webhooks-load', LOAD, [now, asked]),
      this.query<DueDelivery>('webhooks-load-parked', LOAD_PARKED, [now, asked]),
    ]);
    const byEndpoint = groupBy([...lines, ...parked], ({ endpointId }) => endpointId);
    return requests.map(({ endpointId }) => byEndpoint.get(endpointId) ?? []);
  }

  async loadOldest(endpointId: string): Promise<DueDelivery | null> {
    const [delivery] = await this.query<DueDelivery>('webhooks-oldest', LOAD_OLDEST, [endpointId]);
    return delivery ?? null;
  }

  /** @returns for each whether it was written: not when its receiver has passed to somebody else. */
  async record(records: readonly AttemptRecord[], leaseMs: number): Promise<boolean[]> {
    const rows = records.map((record, n) => ({ ...record, n }));
    const held = await this.query<{ id: string; token: string }>('webhooks-record', RECORD, [
      JSON.stringify(rows),
      leaseMs / 1000,
    ]);
    const tokens = new Map(held.map(({ id, token }) => [id, token]));
    return records.map(({ endpointId, token }) => tokens.get(endpointId) === token);
  }

  /** @returns those that are still held. */
  async renew(held: readonly { id: string; token: string }[], leaseMs: number): Promise<Set<string>> {
    const rows = await this.query<{ id: string }>('webhooks-renew', RENEW, [JSON.stringify(held), leaseMs / 1000]);
    return new Set(rows.map(({ id }) => id));
  }

  async release(held: readonly { id: string; token: string }[]): Promise<void> {
    await this.query('webhooks-release', RELEASE, [JSON.stringify(held)]);
  }

  /** The receiver is back: what waits for a later try is due now. */
  async pullForward(endpointId: string, now: Date): Promise<void> {
    await this.query('webhooks-pull', PULL_FORWARD, [endpointId, now]);
  }

  private async query<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    const { rows } = await this.prisma.pool.query<T>({ name, text, values });
    return rows;
  }
}
