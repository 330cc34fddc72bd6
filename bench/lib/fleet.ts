import type { Lab, Sandbox } from './lab.ts';

export const DEPLOYMENT_ID = 'bench';
const NAME_PREFIX = `gpusvc-${DEPLOYMENT_ID}-m`;
const AT_ONCE = 40;

/** What the sandbox shows, word for word, so that the first sweep finds nothing new. */
const FILL = `
WITH numbers AS (SELECT n - 1 AS n, ($2::text[])[n] AS novita_id FROM generate_series(1, $1::int) n),
instance AS (
  INSERT INTO instances (id, team_id, name, product_name, template_id, gpu_num, rootfs_size_gb, region, billing_mode, desired, phase,
                         phase_since, current_placement_id, connection, created_at, updated_at, ready_at)
  SELECT 'inst-' || n, 'default', 'worker-' || n, 'RTX 4090 24GB', 'template-123', 1, 60, 'CN-HK-01', 'spot', 'running', 'running',
         now() - interval '1 hour', 'plc-' || n,
         '{"portMappings": [], "ssh": "ssh -p 22 root@127.0.0.1", "sshPassword": "x", "jupyter": null, "webTerminal": null}',
         now() - interval '2 hours', now() - interval '1 hour', now() - interval '1 hour'
    FROM numbers
)
INSERT INTO placements (id, instance_id, unique_name, state, product_id, cluster_id, region, billing_mode, gpu_num,
                        price_per_hour_micros, novita_id, create_sent_at, seen_status, seen_error, seen_spot_status, last_seen_at,
                        billed_from, created_at, updated_at)
SELECT 'plc-' || n, 'inst-' || n, $3 || n, 'confirmed', '4090.16c62g', 'cn-hongkong-1', 'CN-HK-01', 'spot', 1,
       175000, novita_id, now() - interval '2 hours', 'running', '', 'running', now() - interval '1 hour',
       now() - interval '2 hours', now() - interval '2 hours', now() - interval '1 hour'
  FROM numbers`;

/** Spot machines that run and have been ready for an hour, in the sandbox and in the rows of the service alike. */
export interface Fleet {
  readonly databaseUrl: string;
  readonly sandbox: Sandbox;
  /** Upstream's, in the order of the instances `inst-0`, `inst-1` … */
  readonly novitaIds: readonly string[];
}

export async function fleetOf(lab: Lab, count: number): Promise<Fleet> {
  const [databaseUrl, sandbox] = [await lab.database(), await lab.sandbox()];
  await control(sandbox, '/stock', { count: 10 * count + 1000 });
  const wish = { count, namePrefix: NAME_PREFIX, owner: 'us', billingMode: 'spot', ports: '22/tcp' };
  const { ids } = count === 0 ? { ids: [] } : await control<{ ids: string[] }>(sandbox, '/machines', wish);
  await lab.query(databaseUrl, FILL, [count, ids, NAME_PREFIX]);
  await lab.query(databaseUrl, 'VACUUM ANALYZE');
  return { databaseUrl, sandbox, novitaIds: ids };
}

export async function control<T>(sandbox: Sandbox, path: string, body?: object): Promise<T> {
  const wish = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`${sandbox.url}/__sandbox${path}`, body === undefined ? {} : wish);
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return (await answer.json()) as T;
}

/** One control call for each of them, many at a time. */
export async function forEach<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
