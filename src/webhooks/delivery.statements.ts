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

export const CLAIM = `
  WITH RECURSIVE waiting AS (
    (SELECT endpoint_id AS id FROM webhook_deliveries WHERE state = 'pending' AND endpoint_id > $5 ORDER BY endpoint_id LIMIT 1)
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
  RETURNING w.id, w.kind, w.url, w.secrets, w.sealed_headers AS "sealedHeaders", w.failures_in_row AS "failuresInRow", w.next_probe_at AS "nextProbeAt",
            w.failed_probes AS "failedProbes", w.failing_since AS "failingSince", w.claim_token::text AS token`;

export const LOAD = `
  SELECT ${DELIVERY}
    FROM jsonb_to_recordset($2::jsonb) AS o (id text, after_id text)
   CROSS JOIN LATERAL (SELECT h.*, row_number() OVER () AS place FROM (${HEADS}) h LIMIT ${LINES}) l
   CROSS JOIN LATERAL (
     SELECT * FROM webhook_deliveries d
      WHERE d.endpoint_id = o.id AND d.instance_id = l.instance_id AND d.state = 'pending' AND NOT d.parked
      ORDER BY d.sequence LIMIT ${LINE_DEPTH}) d
    JOIN events e ON e.id = d.event_id ORDER BY l.place, d.sequence`;

export const LOAD_PARKED = `
  SELECT ${DELIVERY}
    FROM jsonb_to_recordset($2::jsonb) AS o (id text, after_id text)
   CROSS JOIN LATERAL (
     SELECT * FROM webhook_deliveries d
      WHERE d.endpoint_id = o.id AND d.state = 'pending' AND d.parked AND d.next_attempt_at <= $1
      ORDER BY d.next_attempt_at LIMIT ${LINES}) d
    JOIN events e ON e.id = d.event_id`;

/** How far back the look for an event to probe with goes. */
const PROBE_WINDOW = 1_000;

/**
 * The oldest that is first in its instance's line. One that was answered with a 4xx says little about whether the receiver is
 * back, and comes only when there is no other; then those take turns.
 */
export const LOAD_FOR_PROBE = `
  SELECT ${DELIVERY}
    FROM (SELECT * FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' AND NOT parked
           ORDER BY created_at, sequence LIMIT ${PROBE_WINDOW}) d
    JOIN events e ON e.id = d.event_id
   WHERE NOT EXISTS (
     SELECT FROM webhook_deliveries p WHERE p.endpoint_id = $1 AND p.instance_id = d.instance_id
        AND p.state = 'pending' AND NOT p.parked AND p.sequence < d.sequence)
   ORDER BY coalesce(d.last_class = 'client-error', false), CASE WHEN d.last_class = 'client-error' THEN d.last_attempt_at END,
            d.created_at, d.sequence LIMIT 1`;

export const LOAD_OLDEST = `
  SELECT ${DELIVERY} FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
   WHERE d.endpoint_id = $1 AND d.state = 'pending' ORDER BY d.created_at, d.sequence LIMIT 1`;

/** That the service itself has switched a receiver off stands in the audit trail like what people do. */
const NOTE_DISABLED = `, noted AS (
    INSERT INTO audit_entries (at, team_id, actor, action, method, route, target, outcome, error_code, request_id, ip)
    SELECT l.at, w.team_id, 'service', 'disableWebhook', '', '', w.id, 'accepted', l."offBecause", '', ''
      FROM latest l JOIN held ON held.n = l.n JOIN webhook_endpoints w ON w.id = held.id
     WHERE l."offBecause" IS NOT NULL)`;

/**
 * Everything in one statement: the fence, the deliveries, the receivers, and what each try got. A receiver's state is that of its
 * last try; but one that asked to be left alone in between has asked.
 */
export const RECORD = `
  WITH r AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (n int, "endpointId" text, token bigint, "deliveryId" text, state text, attempts int,
      "clientErrors" int, parked boolean, "nextAttemptAt" timestamptz, at timestamptz, status int, class text, "durationMs" int, bytes int,
      "isProbe" boolean, breaker jsonb, "disabledBecause" text)),
  latest AS (
    SELECT DISTINCT ON ("endpointId", token) *, max("disabledBecause") OVER receivers AS "offBecause",
           max(at) FILTER (WHERE class IS NULL) OVER receivers AS "succeededAt",
           max(at) FILTER (WHERE class IS NOT NULL) OVER receivers AS "failedAt"
      FROM r WINDOW receivers AS (PARTITION BY "endpointId", token) ORDER BY "endpointId", token, n DESC),
  held AS (
    SELECT w.id, l.token, l.n FROM webhook_endpoints w JOIN latest l ON l."endpointId" = w.id AND l.token = w.claim_token
     ORDER BY w.id FOR NO KEY UPDATE OF w),
  receiver AS (
    UPDATE webhook_endpoints w SET
      failures_in_row = (l.breaker->>'failuresInRow')::int,
      next_probe_at = (l.breaker->>'nextProbeAt')::timestamptz,
      failed_probes = (l.breaker->>'failedProbes')::int,
      failing_since = (l.breaker->>'failingSince')::timestamptz,
      last_success_at = coalesce(l."succeededAt", w.last_success_at),
      last_failure_at = coalesce(l."failedAt", w.last_failure_at),
      state = CASE WHEN l."offBecause" IS NULL THEN w.state ELSE 'disabled' END,
      disabled_reason = coalesce(l."offBecause", w.disabled_reason),
      disabled_at = CASE WHEN l."offBecause" IS NULL THEN w.disabled_at ELSE l."failedAt" END,
      claimed_until = clock_timestamp() + make_interval(secs => $2)
     FROM latest l JOIN held ON held.n = l.n WHERE w.id = held.id),
  done AS (
    UPDATE webhook_deliveries d SET state = r.state, attempts = r.attempts, client_errors = r."clientErrors", parked = r.parked,
      next_attempt_at = r."nextAttemptAt", last_status = r.status, last_class = r.class, last_attempt_at = r.at,
      delivered_at = CASE WHEN r.state = 'delivered' THEN r.at END
     FROM r JOIN held ON held.id = r."endpointId" AND held.token = r.token WHERE d.id = r."deliveryId" AND d.state = 'pending'),
  tries AS (
    INSERT INTO webhook_attempts (delivery_id, at, status, class, duration_ms, bytes, is_probe)
    SELECT r."deliveryId", r.at, r.status, r.class, r."durationMs", r.bytes, r."isProbe" FROM r JOIN held ON held.id = r."endpointId" AND held.token = r.token)${NOTE_DISABLED}
  SELECT id, token::text FROM held`;

/** Locked in the order of their ids, as everywhere: two statements that lock the same rows must not wait for each other. */
const HELD = `
  WITH held AS (
    SELECT w.id FROM webhook_endpoints w
      JOIN jsonb_to_recordset($1::jsonb) AS o (id text, token bigint) ON w.id = o.id AND w.claim_token = o.token
     ORDER BY w.id FOR NO KEY UPDATE OF w)`;

export const RENEW = `${HELD}
  UPDATE webhook_endpoints w SET claimed_until = clock_timestamp() + make_interval(secs => $2)
    FROM held WHERE w.id = held.id AND w.state = 'enabled' RETURNING w.id`;

export const RELEASE = `${HELD}
  UPDATE webhook_endpoints w SET claimed_until = NULL, claim_token = w.claim_token + 1 FROM held WHERE w.id = held.id`;

/** How many waiting deliveries one statement looks at: each must end well before the database ends it. */
const PART = 5_000;

/** A part of what waits at receiver $1, in the order of their age after ($3, $4, $5), becomes due at $2. Says where it ended when there may be more. */
export const MAKE_DUE = `
  WITH part AS (
    SELECT id, created_at, sequence, next_attempt_at FROM webhook_deliveries
     WHERE endpoint_id = $1 AND state = 'pending' AND (created_at, sequence, id) > ($3::timestamptz, $4::int, $5)
     ORDER BY created_at, sequence, id LIMIT ${PART}),
  due AS (
    UPDATE webhook_deliveries d SET next_attempt_at = $2 FROM part
     WHERE d.id = part.id AND d.state = 'pending' AND part.next_attempt_at > $2)
  SELECT created_at AS "createdAt", sequence, id FROM part ORDER BY created_at, sequence, id OFFSET ${PART - 1}`;

/** A part of what waits at receiver $1 is never sent. */
export const CANCEL = `
  UPDATE webhook_deliveries SET state = 'cancelled', next_attempt_at = NULL
   WHERE state = 'pending' AND id IN (SELECT id FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending' LIMIT ${PART})`;
