import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Chance } from './chance.js';
import { isProof, Proof } from './proof.js';
import { ProofWorld } from './proof-world.js';

const CONVERGE_WITHIN_MS = 60_000;
const PART = 0.1;

const ANY_CALL = [
  { kind: 'delay', delayMs: 300 },
  { kind: 'timeout-before' },
  { kind: 'timeout-after' },
  { kind: '500-before' },
  { kind: '500-after' },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
  { kind: 'truncate' },
  { kind: 'html' },
  { kind: 'html-before' },
  { kind: 'empty' },
  { kind: '429' },
  { kind: '429', retryAfter: 1 },
].map((fault) => ({ endpoint: '*', ...fault }));

const SOME_CALLS = [
  { endpoint: 'create', kind: '400-after' },
  { endpoint: 'list', kind: 'partial-page' },
  { endpoint: 'get', kind: '404' },
  { endpoint: 'get', kind: 'wrapped' },
  { endpoint: 'delete', kind: '404' },
  { endpoint: 'delete', kind: '400-after' },
  { endpoint: 'delete', kind: 'delete-lies' },
];

/** Those of one endpoint come first, or the others would leave little for them. */
const LIES = [...SOME_CALLS, ...ANY_CALL].map((fault) => ({ ...fault, probability: PART }));

const proof = new Proof('liar');
const ORDERS = proof.size(500, 10_000);
/** Machines that ran before the lying began, and are taken back while it goes on. */
const RECLAIMS = ORDERS / 5;
/** Orders come over this time. */
const ORDERING_MS = ORDERS * 60;
/** The lying goes on until there was a create call for each order; lies, the pauses and the circuit let about one and a half a second pass. */
const LYING_ON_AT_MOST_MS = isProof ? ORDERS * 1000 : ORDERING_MS;

describe('an upstream that lies', () => {
  let proofWorld: ProofWorld;
  const chance = new Chance(proof.seed);

  beforeAll(async () => {
    proofWorld = await ProofWorld.start({
      replicas: 2,
      env: {
        NOVITA_TIMEOUT_SECONDS: '2',
        NOVITA_CREATE_TIMEOUT_SECONDS: '2',
        QUEUE_TIMEOUT_SECONDS: '7200',
        LOG_LEVEL: 'info',
      },
    });
    const { sandbox } = proofWorld.world;
    // Virtual seconds, of which 20 pass in a real one.
    await sandbox.control('/config', { listLagSeconds: [0, 30], getLagSeconds: [0, 10] });
    await sandbox.control('/stock', { count: 1_000_000 });
  }, 120_000);

  afterAll(() => proofWorld.stop(), 120_000);

  it(
    `leaves no machine without an owner and buys none twice in ${ORDERS} orders, half of them deleted, and ${RECLAIMS} migrations`,
    async () => {
      const { sandbox } = proofWorld.world;
      const machines = await untilRunning(RECLAIMS);
      await sandbox.control('/calls/reset', {});
      await sandbox.control('/faults', { seed: proof.seed, faults: LIES });

      await Promise.all([orderAndDelete(ORDERING_MS), reclaimOneByOne(machines, ORDERING_MS)]);
      await untilBought(LYING_ON_AT_MOST_MS);
      const { counts, log } = await proofWorld.calls();
      const struck = log.filter(({ fault }) => fault !== null).length;
      await sandbox.control('/faults/clear', {});
      const convergedAfterMs = await proofWorld.judge.untilEqual(CONVERGE_WITHIN_MS);

      expect(proofWorld.acknowledged.size).toBe(ORDERS + RECLAIMS);
      expect(proofWorld.deleted.size).toBe(ORDERS / 2);
      expect(await proofWorld.brokenPromises()).toEqual([]);
      expect(await proofWorld.failures()).toEqual([]);
      expect(await proofWorld.harmToStrangers()).toEqual([]);
      const migrated = await migratedInstances();
      expect(migrated).toBe(RECLAIMS);
      proof.result({
        orders: ORDERS,
        deletes: proofWorld.deleted.size,
        migrations: migrated,
        createsWhileLying: counts['create'] ?? 0,
        deletesWhileLying: counts['delete'] ?? 0,
        writesLiedAbout: struck,
        orphans: 0,
        doubles: 0,
        convergedAfter: convergedAfterMs / 1000,
      });
    },
    5 * ORDERING_MS + LYING_ON_AT_MOST_MS + CONVERGE_WITHIN_MS + 300_000,
  );

  async function untilRunning(count: number): Promise<string[]> {
    for (let index = 0; index < count; index += 1) await proofWorld.order({}, chance.pick(proofWorld.world.services));
    for (;;) {
      const { rows } = await proofWorld.pool.query<{ novita_id: string }>(
        `SELECT p.novita_id FROM instances i JOIN placements p ON p.id = i.current_placement_id WHERE i.phase = 'running'`,
      );
      if (rows.length === count) return rows.map((row) => row.novita_id);
      proof.progress(`${rows.length} of ${count} run`);
      await sleep(200);
    }
  }

  async function reclaimOneByOne(machines: readonly string[], durationMs: number): Promise<void> {
    for (const id of machines) {
      await proofWorld.world.sandbox.control(`/machines/${id}/reclaim`, {});
      await sleep(durationMs / machines.length);
    }
  }

  async function migratedInstances(): Promise<number> {
    const { rows } = await proofWorld.pool.query<{ count: number }>(
      `SELECT count(DISTINCT instance_id)::int AS count FROM migration_attempts WHERE state = 'migrated'`,
    );
    return rows[0]?.count ?? 0;
  }

  /** Every second order is deleted a while later, wherever it has got to. */
  async function orderAndDelete(durationMs: number): Promise<void> {
    const startedAt = Date.now();
    const deletes: Promise<unknown>[] = [];
    for (let index = 0; index < ORDERS; index += 1) {
      await sleep(startedAt + (index * durationMs) / ORDERS - Date.now());
      const id = await proofWorld.order({}, chance.pick(proofWorld.world.services));
      const laterMs = chance.between(0, durationMs / 2);
      if (id !== null && index % 2 === 0) deletes.push(sleep(laterMs).then(() => proofWorld.wish('delete', id)));
      proof.progress(`${index + 1} of ${ORDERS} orders`);
    }
    await Promise.all(deletes);
  }

  async function untilBought(atMostMs: number): Promise<void> {
    const giveUpAt = Date.now() + atMostMs;
    for (;;) {
      const { counts } = await proofWorld.calls('delete');
      if ((counts['create'] ?? 0) >= ORDERS || Date.now() > giveUpAt) return;
      proof.progress(`${counts['create'] ?? 0} create calls`);
      await sleep(500);
    }
  }
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
