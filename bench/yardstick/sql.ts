const SUMMARY = `id, name, phase, gpu_num AS "gpuNum", region, product_name AS "productName", billing_mode AS "billingMode", labels,
  created_at AS "createdAt", ready_at AS "readyAt", deleted_at AS "deletedAt"`;

const MACHINE = `p.region AS "machineRegion", p.product_id AS "productId", p.billing_mode AS "machineBillingMode",
  p.price_per_hour_micros AS "pricePerHourMicros", p.novita_id AS "novitaId", p.id AS "placementId", p.version AS "machineVersion"`;

const DETAILS = `i.id, i.name, i.phase, i.gpu_num AS "gpuNum", i.region, i.product_name AS "productName",
  i.billing_mode AS "billingMode", i.labels, i.created_at AS "createdAt", i.ready_at AS "readyAt", i.deleted_at AS "deletedAt",
  i.connection, i.template_id AS "templateId", i.rootfs_size_gb AS "rootfsSize", i.spot_policy AS "spotPolicy",
  i.fallback_to_on_demand AS "fallbackToOnDemand", i.webhook_url AS "webhookUrl", i.readiness, i.reason_code AS "reasonCode",
  i.reason_message AS "reasonMessage", i.next_check_at AS "nextCheckAt", i.version, ${MACHINE}`;

export const FIND = `SELECT ${DETAILS} FROM instances i LEFT JOIN placements p ON p.id = i.current_placement_id
 WHERE i.id = $1 AND i.team_id = $2 AND i.deleted_at IS NULL`;

export const FIND_BY_MACHINE = `SELECT ${DETAILS} FROM placements m JOIN instances i ON i.id = m.instance_id
  LEFT JOIN placements p ON p.id = i.current_placement_id
 WHERE m.novita_id = $1 AND i.team_id = $2 AND i.deleted_at IS NULL`;

/** What a list may be asked for; each sets one parameter. */
export interface Filter {
  readonly status?: string;
  readonly region?: string;
  readonly product?: string;
  readonly name?: string;
}

const CONDITIONS = {
  status: (place: number) => `phase = ANY ($${place})`,
  region: (place: number) => `region = $${place}`,
  product: (place: number) => `product_name = $${place}`,
  name: (place: number) => `name = $${place}`,
};

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** One name for each set of filters, so that each is planned once. */
export function listStatements(filters: readonly (keyof Filter)[]): { page: Statement; count: Statement } {
  const conditions = filters.map((filter, index) => CONDITIONS[filter](index + 2));
  const where = ['team_id = $1', 'deleted_at IS NULL', ...conditions].join(' AND ');
  const suffix = filters.join('-');
  const next = filters.length + 2;
  return {
    page: {
      name: `page ${suffix}`,
      text: `SELECT ${SUMMARY} FROM instances WHERE ${where} ORDER BY created_at DESC, id DESC LIMIT $${next} OFFSET $${next + 1}`,
    },
    count: { name: `count ${suffix}`, text: `SELECT count(*)::int AS total FROM instances WHERE ${where}` },
  };
}

/** The columns that a new order fills. */
export const INSERT_INSTANCE = `INSERT INTO instances (id, team_id, name, product_name, template_id, gpu_num, rootfs_size_gb, region,
  billing_mode, webhook_url, readiness, spot_policy, fallback_to_on_demand, labels, desired, phase, phase_since, deadline_at,
  next_check_at, event_sequence, created_at, updated_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'running', 'queued', $15, $16, $15, 1, $15, $15)`;

export const INSERT_EVENT = `INSERT INTO events (id, instance_id, team_id, sequence, type, actor, to_phase, data, occurred_at)
 VALUES ($1, $2, $3, 1, 'instance.requested', 'user:anonymous', 'queued', '{}', $4)`;

export const INSERT_IDEMPOTENCY_KEY = `INSERT INTO idempotency_keys (team_id, key_hash, fingerprint, status, answer, created_at)
 VALUES ($1, $2, $3, 201, $4, $5) ON CONFLICT DO NOTHING`;

export const FIND_IDEMPOTENCY_KEY = `SELECT fingerprint, status, answer FROM idempotency_keys WHERE team_id = $1 AND key_hash = $2`;

/** As pg-boss files a job of this queue, with its notification. */
export const INSERT_JOB = `WITH job AS (
  INSERT INTO pgboss.job (name, data, singleton_key, policy, expire_seconds, deletion_seconds, retry_limit)
  SELECT q.name, $1, $2, q.policy, q.expire_seconds, q.deletion_seconds, q.retry_limit FROM pgboss.queue q WHERE q.name = 'reconcile-instance'
  ON CONFLICT DO NOTHING RETURNING name)
 SELECT pg_notify('yardstick_jobs', name) FROM job`;
