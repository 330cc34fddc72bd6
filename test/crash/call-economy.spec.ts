import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/world.js';
import { OWN_PREFIX } from './judge.js';
import { Proof } from './proof.js';
import { ProofWorld } from './proof-world.js';

const STEADY = 900;
const STARTING = 100;
const LIST_CALLS_PER_SWEEP = 15;
/** A machine is asked for its details when it has come up, and once more while its endpoints are not there yet. */
const GETS_PER_START = 2;

const proof = new Proof('economy');

describe('the calls that 1,000 machines cost', () => {
  let proofWorld: ProofWorld;

  beforeAll(async () => {
    proofWorld = await ProofWorld.start({ env: { LIFECYCLE_POLL_SECONDS: '1' } });
    await proofWorld.world.sandbox.control('/stock', { count: 1_000_000 });
    await proofWorld.pool.query(`
      CREATE TABLE witnessed_sweeps (at timestamptz DEFAULT clock_timestamp());
      CREATE FUNCTION witness_sweep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witnessed_sweeps DEFAULT VALUES; RETURN NULL; END $$;
      CREATE TRIGGER witness_sweep AFTER INSERT OR UPDATE ON sweeps FOR EACH ROW EXECUTE FUNCTION witness_sweep()`);
    await addSteadyMachines();
  }, 120_000);

  afterAll(() => proofWorld.stop());

  it('are a few pages for each look at all of them, and none for a machine that is steady', async () => {
    await proofWorld.world.sandbox.control('/calls/reset', {});
    await proofWorld.pool.query('TRUNCATE witnessed_sweeps');

    await Promise.all(Array.from({ length: STARTING }, () => proofWorld.order()));
    await eventually(async () => (await proofWorld.idsIn('running')).length === STEADY + STARTING, 60_000);

    const { counts } = await proofWorld.calls();
    const { rows } = await proofWorld.pool.query<{ sweeps: number }>(
      'SELECT count(*)::int AS sweeps FROM witnessed_sweeps',
    );
    // One more may be under way.
    const sweeps = (rows[0]?.sweeps ?? 0) + 1;
    const { list = 0, get = 0, create } = counts;
    expect(list).toBeLessThanOrEqual(LIST_CALLS_PER_SWEEP * sweeps);
    expect(get).toBeLessThanOrEqual(GETS_PER_START * STARTING);
    expect(create).toBe(STARTING);
    expect(await proofWorld.harmToStrangers()).toEqual([]);
    await proofWorld.judge.untilEqual(10_000);
    proof.result({
      machines: STEADY + STARTING,
      starting: STARTING,
      sweeps,
      list,
      get,
      listCallsPerSweep: list / (sweeps - 1),
    });
  }, 120_000);

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
    await proofWorld.pool.query(
      `INSERT INTO instances SELECT (jsonb_populate_record(i, jsonb_build_object(
           'id', 'inst-steady' || n, 'current_placement_id', 'plc-steady' || n))).*
         FROM instances i, generate_series(0, $2::int - 1) AS n WHERE i.id = $1`,
      [id, names.length],
    );
    await proofWorld.pool.query(
      `INSERT INTO placements SELECT (jsonb_populate_record(p, jsonb_build_object(
           'id', 'plc-steady' || (n - 1), 'instance_id', 'inst-steady' || (n - 1),
           'unique_name', ($2::text[])[n], 'novita_id', ($3::text[])[n]))).*
         FROM placements p, generate_series(1, $4::int) AS n WHERE p.instance_id = $1`,
      [id, names, ids, names.length],
    );
  }
});
