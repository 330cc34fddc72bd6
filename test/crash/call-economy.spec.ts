import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/world.js';
import { CountingProxy } from './counting-proxy.js';
import { OWN_PREFIX } from './judge.js';
import { Proof } from './proof.js';
import { ProofWorld } from './proof-world.js';

const STEADY = 900;
const STARTING = 100;
const AT_ONCE = 10;
const LIST_CALLS_PER_SWEEP = 15;
/** A machine is asked for its details when it has come up, and once more while its endpoints are not there yet. */
const GETS_PER_START = 2;

const proof = new Proof('economy');

describe('the calls that 1,000 machines cost', () => {
  let proofWorld: ProofWorld;

  let upstream: CountingProxy;

  beforeAll(async () => {
    proofWorld = await ProofWorld.start({ replicas: 0 });
    const { sandbox } = proofWorld.world;
    upstream = await CountingProxy.before(sandbox.url);
    await sandbox.control('/stock', { count: 1_000_000 });
    const baseUrl = sandbox.baseUrl.replace(sandbox.url, upstream.origin);
    await proofWorld.world.addService({ LIFECYCLE_POLL_SECONDS: '1', NOVITA_API_BASE_URL: baseUrl });
    await addSteadyMachines();
  }, 180_000);

  afterAll(async () => {
    upstream.stop();
    await proofWorld.stop();
  }, 120_000);

  it('are a few pages for each look at all of them, and none for a machine that is steady', async () => {
    upstream.asked.splice(0);

    for (let ordered = 0; ordered < STARTING; ordered += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, () => proofWorld.order()));
    await eventually(async () => (await proofWorld.idsIn('running')).length === STEADY + STARTING, 120_000);

    const lists = upstream.callsOf('/gpu/instances');
    const sweeps = lists.filter(({ searchParams }) => searchParams.get('pageNum') === '1').length;
    const gets = upstream.callsOf('/gpu/instance').length;
    // The first page of the sweep that was under way may have come before.
    expect(lists.length).toBeLessThanOrEqual(LIST_CALLS_PER_SWEEP * (sweeps + 1));
    expect(gets).toBeLessThanOrEqual(GETS_PER_START * STARTING);
    expect(upstream.callsOf('/create')).toHaveLength(STARTING);
    await proofWorld.judge.untilEqual(30_000);
    expect(await proofWorld.harmToStrangers()).toEqual([]);
    const listCallsPerSweep = Math.round((10 * lists.length) / sweeps) / 10;
    proof.result({ machines: STEADY + STARTING, starting: STARTING, sweeps, listCallsPerSweep, gets });
  }, 240_000);

  /** One is ordered and brought up; the others are made in its image, on both sides. */
  async function addSteadyMachines(): Promise<void> {
    const id = await proofWorld.order();
    if (id === null) throw new Error('The order was refused');
    await proofWorld.untilPhase(id, 'running');
    const names = Array.from({ length: STEADY - 1 }, (_, index) => `${OWN_PREFIX}steady${index}-x`);
    const { ids } = await proofWorld.world.sandbox.control<{ ids: string[] }>('/machines', {
      names,
      owner: 'us',
      billingMode: 'spot',
    });
    // In one statement: an instance without its machine would be taken for lost.
    await proofWorld.pool.query(
      `WITH instances_of_them AS (
         INSERT INTO instances SELECT (jsonb_populate_record(i, jsonb_build_object(
             'id', 'inst-steady' || n, 'current_placement_id', 'plc-steady' || n))).*
           FROM instances i, generate_series(0, $4::int - 1) AS n WHERE i.id = $1)
       INSERT INTO placements SELECT (jsonb_populate_record(p, jsonb_build_object(
           'id', 'plc-steady' || (n - 1), 'instance_id', 'inst-steady' || (n - 1),
           'unique_name', ($2::text[])[n], 'novita_id', ($3::text[])[n]))).*
         FROM placements p, generate_series(1, $4::int) AS n WHERE p.instance_id = $1`,
      [id, names, ids, names.length],
    );
    // The observer's first look at so many that are new to it wakes them all once.
    await eventually(async () => {
      const { rows } = await proofWorld.pool.query<{ settled: boolean }>(
        `SELECT bool_and(next_check_at IS NULL AND (SELECT max(started_at) FROM sweeps) > updated_at + interval '5 seconds') AS settled
           FROM instances`,
      );
      return rows[0]?.settled;
    }, 120_000);
  }
});
