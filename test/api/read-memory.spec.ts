import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import { Relay } from '../support/relay.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World } from '../support/world.js';
import { appearance, bearer, BOOTSTRAP, type ErrorAnswer, makeKey } from './teams.js';

jest.setTimeout(240_000);

interface Shown {
  readonly name: string;
  readonly phase: string;
  readonly status: string;
  readonly machine?: { readonly novitaId: string };
}

const RESTING = 300;
const STALE_MS = 1_000;
const PATIENCE_MS = 60_000;

describe('reads from memory', () => {
  let world: World;
  let relay: Relay;
  /** The second reaches its database through the relay. */
  let replicas: readonly [ServiceProcess, ServiceProcess];
  let rows: pg.Client;
  let key: Record<string, string>;
  let stranger: Record<string, string>;

  beforeAll(async () => {
    world = await World.start({ env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    const url = new URL(world.database.url);
    relay = await Relay.to(url.hostname, Number(url.port));
    [url.hostname, url.port] = ['127.0.0.1', String(relay.port)];
    replicas = [world.service, await world.addService({ DATABASE_URL: url.toString() })];
    rows = new pg.Client({ connectionString: world.database.url });
    await rows.connect();
    const admin = await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] });
    key = bearer((await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['admin'] })).key);
    stranger = bearer((await makeKey(world.service, admin.key, { teamId: 'other', scopes: ['admin'] })).key);
    await seed();
  });

  afterAll(async () => {
    await rows.end();
    await world.stop();
    await relay.stop();
  });

  /** Instances that nobody but the test touches, each with a machine that is gone. */
  async function seed(): Promise<void> {
    await rows.query(
      `INSERT INTO instances (id, team_id, name, product_name, template_id, gpu_num, rootfs_size_gb, region, billing_mode, desired,
                              phase, phase_since, current_placement_id, created_at, updated_at)
       SELECT 'inst-rest' || n, 'ml', 'old', 'RTX 4090 24GB', 'template-123', 1, 60, 'CN-HK-01', 'spot', 'stopped', 'stopped', now(),
              'plc-rest' || n, now() - interval '1 day', now()
         FROM generate_series(1, ${RESTING}) AS n`,
    );
    await rows.query(
      `INSERT INTO placements (id, instance_id, unique_name, state, product_id, cluster_id, region, billing_mode, gpu_num,
                               price_per_hour_micros, novita_id, created_at, updated_at)
       SELECT 'plc-rest' || n, 'inst-rest' || n, 'rest-' || n, 'gone', '4090.16c62g', 'cn-hongkong-1', 'CN-HK-01', 'spot', 1, 175000,
              'machine-rest' || n, now(), now()
         FROM generate_series(1, ${RESTING}) AS n`,
    );
  }

  const read = (replica: ServiceProcess, id: string) => replica.get<Shown>(`/api/instances/${id}`, key);
  const nameOf = async (replica: ServiceProcess, id: string) => (await read(replica, id)).body.name;
  const totalOn = async (replica: ServiceProcess, query = '') =>
    (await replica.get<{ total: number }>(`/api/instances?limit=1&${query}`, key)).body.total;
  const post = (replica: ServiceProcess, path: string, body?: unknown) =>
    replica.post<{ instanceId: string; phase: string }>(`/api/instances${path}`, body, { ...key, prefer: 'wait=60' });
  const rename = (id: string, name: string) =>
    rows.query('UPDATE instances SET name = $2, version = version + 1 WHERE id = $1', [id, name]);

  /** A change that nobody is told of: what still shows the old name answers from memory. */
  async function renameUnheard(id: string, name: string): Promise<void> {
    await rows.query(`BEGIN; ALTER TABLE instances DISABLE TRIGGER USER;
      UPDATE instances SET name = '${name}', version = version + 1 WHERE id = '${id}';
      ALTER TABLE instances ENABLE TRIGGER USER; COMMIT`);
  }

  /** Reads again until the answer comes from memory, however slow the machine is. */
  async function fillMemory(replica: ServiceProcess, id: string): Promise<void> {
    await eventually(async () => {
      await rename(id, 'old');
      await nameOf(replica, id);
      await renameUnheard(id, 'unheard');
      return (await nameOf(replica, id)) === 'old';
    }, PATIENCE_MS);
  }

  async function listenerOf(replica: ServiceProcess): Promise<{ pid: number; port: number }> {
    const own = /"replica":"([^"]+)"/.exec(replica.lines.join('\n'))?.[1];
    const found = await rows.query<{ pid: number; port: number }>(
      'SELECT pid, client_port AS port FROM pg_stat_activity WHERE application_name = $1',
      [`novita-gpu-instances listener ${own}`],
    );
    const [listener] = found.rows;
    if (listener === undefined) throw new Error(`Replica ${own} does not listen`);
    return listener;
  }

  it('need no row', async () => {
    for (const replica of replicas) await fillMemory(replica, 'inst-rest1');

    const [first] = replicas;
    const { headers } = await read(first, 'inst-rest1');
    const tag = headers.get('etag') ?? '';
    const known = await first.get('/api/instances/inst-rest1', { ...key, 'if-none-match': tag });
    const byMachine = await first.get<Shown>('/api/instances/machine-rest1', key);

    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect([known.status, known.headers.get('etag')]).toEqual([304, tag]);
    expect(['old', 'unheard']).toContain(byMachine.body.name);
  });

  it('show every change on both replicas, whoever makes it', async () => {
    const [first, second] = replicas;
    const { body } = await post(first, '', anOrder({ name: 'watched' }));
    const id = body.instanceId;
    const seenBy = async (replica: ServiceProcess, phase: string) =>
      eventually(async () => (await read(replica, id)).body.phase === phase, PATIENCE_MS);
    const everywhere = (phase: string) => Promise.all(replicas.map((replica) => seenBy(replica, phase)));
    await everywhere('running');

    await post(second, `/${id}/stop`);
    await everywhere('stopped');
    await post(first, `/${id}/start`);
    await everywhere('running');
    const { machine } = (await read(first, id)).body;
    await world.sandbox.control(`/machines/${machine?.novitaId}/reclaim`, {});
    await Promise.all(
      replicas.map((replica) =>
        eventually(async () => (await read(replica, id)).body.phase !== 'running', PATIENCE_MS),
      ),
    );
    await second.send('DELETE', `/api/instances/${id}`, undefined, key);

    for (const replica of replicas) await eventually(async () => (await read(replica, id)).status === 404, PATIENCE_MS);
  });

  it('show changes of hundreds of rows in one statement', async () => {
    const all = Array.from({ length: RESTING - 1 }, (_, index) => `inst-rest${index + 2}`);
    const some = all.filter((_, index) => index % 11 === 0);
    const shownBy = async (replica: ServiceProcess) => {
      const seen = new Set<string>();
      for (const id of some) {
        const { body } = await replica.get<{ name: string; region: string }>(`/api/instances/${id}`, key);
        seen.add(`${body.name} in ${body.region}`);
      }
      return [...seen];
    };
    for (const replica of replicas) expect(await shownBy(replica)).toEqual(['old in CN-HK-01']);

    await rows.query(`UPDATE instances SET name = 'renamed', version = version + 1 WHERE id = ANY($1)`, [all]);
    await sleep(STALE_MS);
    for (const replica of replicas) expect(await shownBy(replica)).toEqual(['renamed in CN-HK-01']);

    await rows.query(`UPDATE placements SET region = 'EU-FAR-99' WHERE instance_id = ANY($1)`, [all]);
    await sleep(STALE_MS);
    for (const replica of replicas) expect(await shownBy(replica)).toEqual(['renamed in EU-FAR-99']);
  });

  it('show what was written through the same replica, at once, while others read', async () => {
    const [, replica] = replicas;
    let isReading = true;
    const ids = Array.from({ length: 8 }, (_, index) => `inst-rest${index + 2}`);
    const others = Array.from({ length: 4 }, async (_, place) => {
      for (let turn = place; isReading; turn += 1) await read(replica, ids[turn % ids.length] ?? '');
    });

    const totals = [await totalOn(replica, 'includeDeleted=true')];
    for (const id of ids) {
      const { status } = await replica.send('DELETE', `/api/instances/${id}`, undefined, key);
      const { body, status: after } = await read(replica, id);
      expect([status, after === 404 || body.phase === 'deleting']).toEqual([202, true]);
      await replica.post('/api/instances', anOrder({ name: `one more than ${id}` }), key);
      totals.push(await totalOn(replica, 'includeDeleted=true'));
    }
    isReading = false;
    await Promise.all(others);

    const [before = 0, ...counted] = totals;
    expect(counted.map((total) => total - before)).toEqual(ids.map((_, index) => index + 1));
  });

  it('show what was written through the same replica before anybody could tell it', async () => {
    const [, replica] = replicas;
    await fillMemory(replica, 'inst-rest103');
    const before = await totalOn(replica, 'includeDeleted=true');

    relay.silence((await listenerOf(replica)).port);
    await replica.send('DELETE', '/api/instances/inst-rest103', undefined, key);
    const { status, body } = await read(replica, 'inst-rest103');
    await replica.post('/api/instances', anOrder({ name: 'untold' }), key);
    const after = await totalOn(replica, 'includeDeleted=true');

    expect(status === 404 || body.phase === 'deleting').toBe(true);
    expect(after - before).toBe(1);
  });

  it('count lists anew on both replicas when they may have become longer or shorter', async () => {
    const [first, second] = replicas;
    const queries = ['name=counted', 'name=counted&status=stopped', 'name=counted&status=failed', 'name=old'];
    const totals = () => Promise.all(queries.map((query) => totalOn(second, query)));
    await rows.query(`UPDATE instances SET name = 'old', version = version + 1 WHERE id LIKE 'inst-rest2%'`);
    await sleep(STALE_MS);
    const [, , , old = 0] = await totals();

    await rows.query(`UPDATE instances SET name = 'counted', version = version + 1 WHERE id = 'inst-rest200'`);
    await sleep(STALE_MS);
    expect(await totals()).toEqual([1, 1, 0, old - 1]);
    await rows.query(`UPDATE instances SET phase = 'failed', version = version + 1 WHERE id = 'inst-rest200'`);
    await sleep(STALE_MS);
    expect(await totals()).toEqual([1, 0, 1, old - 1]);
    await rows.query(`UPDATE instances SET deleted_at = now(), version = version + 1 WHERE id = 'inst-rest200'`);
    await sleep(STALE_MS);
    expect(await totals()).toEqual([0, 0, 0, old - 1]);
    expect(await totalOn(first, 'name=counted&includeDeleted=true')).toBe(1);
  });

  it('are nobody else’s', async () => {
    for (const replica of replicas) {
      await fillMemory(replica, 'inst-rest100');
      for (const id of ['inst-rest100', 'machine-rest100']) {
        const foreign = await replica.get<ErrorAnswer>(`/api/instances/${id}`, stranger);
        const none = await replica.get<ErrorAnswer>('/api/instances/inst-none', stranger);

        expect(appearance(foreign)).toEqual(appearance(none));
      }
    }
  });

  it('are given up while notifications may be lost in silence', async () => {
    const [, replica] = replicas;
    await fillMemory(replica, 'inst-rest101');

    relay.silence((await listenerOf(replica)).port);
    await rename('inst-rest101', 'lost in silence');
    await sleep(STALE_MS);

    // Neither an old answer nor an error: the other connections of the replica are as they were.
    expect(await nameOf(replica, 'inst-rest101')).toBe('lost in silence');
    await fillMemory(replica, 'inst-rest101');
  });

  it('forget what may have changed unheard while the listener was cut off', async () => {
    const [, replica] = replicas;
    await fillMemory(replica, 'inst-rest102');

    const { pid } = await listenerOf(replica);
    await rows.query('SELECT pg_terminate_backend($1)', [pid]);
    await eventually(async () => (await listenerOf(replica)).pid !== pid, PATIENCE_MS);
    await fillMemory(replica, 'inst-rest101');

    expect(await nameOf(replica, 'inst-rest102')).toBe('unheard');
  });
});
