import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Chance } from './chance.js';
import { Proof } from './proof.js';
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
/** Long enough for most orders to be bought from a liar; the promise is about what comes after. */
const LYING_MS = proof.size(500, 10_000) * 100;

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
    `leaves no machine without an owner and buys none twice in ${ORDERS} orders, half of them deleted`,
    async () => {
      const { sandbox } = proofWorld.world;
      await sandbox.control('/faults', { seed: proof.seed, faults: LIES });
      const stopLyingAt = Date.now() + LYING_MS;

      await orderAndDelete(stopLyingAt);
      const { counts, log } = await proofWorld.calls();
      const struck = log.filter(({ fault }) => fault !== null).length;
      await sandbox.control('/faults/clear', {});
      const convergedAfterMs = await proofWorld.judge.untilEqual(CONVERGE_WITHIN_MS);

      expect(proofWorld.acknowledged.size).toBe(ORDERS);
      expect(proofWorld.deleted.size).toBe(ORDERS / 2);
      expect(await proofWorld.brokenPromises()).toEqual([]);
      expect(await proofWorld.failures()).toEqual([]);
      expect(await proofWorld.harmToStrangers()).toEqual([]);
      proof.result({
        orders: ORDERS,
        deletes: proofWorld.deleted.size,
        createsWhileLying: counts['create'] ?? 0,
        deletesWhileLying: counts['delete'] ?? 0,
        writesLiedAbout: struck,
        orphans: 0,
        doubles: 0,
        convergedAfter: convergedAfterMs / 1000,
      });
    },
    LYING_MS + CONVERGE_WITHIN_MS + 300_000,
  );

  /** Orders spread over the first half of the time; every second one is deleted a while later, wherever it has got to. */
  async function orderAndDelete(until: number): Promise<void> {
    const startedAt = Date.now();
    const pause = ((until - startedAt) * 0.5) / ORDERS;
    const deletes: Promise<unknown>[] = [];
    for (let index = 0; index < ORDERS; index += 1) {
      await sleep(startedAt + index * pause - Date.now());
      const service = chance.pick(proofWorld.world.services);
      const id = await proofWorld.order({}, service);
      const laterMs = chance.between(0, (until - Date.now()) * 0.8);
      if (id !== null && index % 2 === 0) deletes.push(sleep(laterMs).then(() => proofWorld.wish('delete', id)));
      proof.progress(`${index + 1} of ${ORDERS} orders`);
    }
    await Promise.all(deletes);
    await sleep(until - Date.now());
  }
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
