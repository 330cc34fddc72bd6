import type { Lab } from './lab.ts';

/**
 * Instances that run, with their machines, a minute apart from the oldest to the newest. Nobody watches these machines: what is
 * measured is reading, and not a fleet.
 */
const FILL = `
WITH numbers AS (SELECT n, 'inst-' || lpad(to_hex(n * 2654435761 % 4294967296), 16, '0') AS id FROM generate_series(1, $1::bigint) n),
placed AS (
  INSERT INTO placements (id, instance_id, unique_name, state, product_id, cluster_id, region, billing_mode, gpu_num,
                          price_per_hour_micros, ports, novita_id, version, created_at, updated_at)
  SELECT 'plc-' || n, id, 'bench-' || n, 'gone', '4090.16c62g', 'cn-hongkong-1', 'CN-HK-01', 'spot', 1,
         175000, '[{"port":8888,"type":"http"}]', 'machine-' || n, 3, now(), now()
    FROM numbers
)
INSERT INTO instances (id, team_id, name, product_name, template_id, gpu_num, rootfs_size_gb, region, billing_mode, labels, desired,
                       phase, phase_since, current_placement_id, connection, event_sequence, version, created_at, updated_at, ready_at)
SELECT id, 'default', 'worker-' || n, CASE n % 4 WHEN 0 THEN 'RTX 3090 24GB' ELSE 'RTX 4090 24GB' END, 'template-123', 1, 60,
       CASE n % 3 WHEN 0 THEN 'US-CA-06' ELSE 'CN-HK-01' END, 'spot',
       jsonb_build_object('env', CASE n % 2 WHEN 0 THEN 'prod' ELSE 'test' END, 'job', 'j' || n % 100), 'running',
       CASE n % 10 WHEN 0 THEN 'stopped' ELSE 'running' END, now(), 'plc-' || n,
       jsonb_build_object('ssh', 'ssh root@machine-' || n || '.example.com -p 40000', 'sshPassword', md5(n::text),
         'jupyter', 'https://machine-' || n || '-8888.example.com', 'webTerminal', null,
         'portMappings', jsonb_build_array(jsonb_build_object('port', 8888, 'endpoint', 'https://machine-' || n || '-8888.example.com', 'type', 'http'))),
       6, 7, date_trunc('minute', now()) - (($1 - n) || ' minutes')::interval, now(), now()
  FROM numbers`;

/** A database with so many instances in it, and their ids from the oldest to the newest. */
export async function databaseWithInstances(lab: Lab, count: number): Promise<{ url: string; ids: string[] }> {
  const url = await lab.database();
  await lab.query(url, FILL, [count]);
  await lab.query(url, 'VACUUM ANALYZE');
  const rows = await lab.query<{ id: string }>(url, 'SELECT id FROM instances ORDER BY created_at, id');
  return { url, ids: rows.map(({ id }) => id) };
}
