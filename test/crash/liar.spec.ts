import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LyingWorld } from './lying-world.js';
import { isProof, Proof } from './proof.js';
import type { ProofWorld } from './proof-world.js';

const CONVERGE_WITHIN_MS = 60_000;

const proof = new Proof('liar');
const ORDERS = proof.size(500, 10_000);
const RECLAIMS = ORDERS / 5;
/** An account's calls are slowed down by its lies to about one and a half a second: a long proof has several side by side. */
const ACCOUNTS = isProof ? 4 : 1;
const ORDERING_MS = ORDERS * (isProof ? 15 : 60);

const SIZE = {
  orders: ORDERS / ACCOUNTS,
  reclaims: RECLAIMS / ACCOUNTS,
  orderingMs: ORDERING_MS,
  lyingOnAtMostMs: isProof ? (ORDERS / ACCOUNTS) * 1000 : ORDERING_MS,
};

describe('an upstream that lies', () => {
  let worlds: LyingWorld[] = [];

  beforeAll(async () => {
    worlds = await Promise.all(
      Array.from({ length: ACCOUNTS }, (_, index) => LyingWorld.start(proof, proof.seed + index, SIZE)),
    );
  }, 120_000);

  afterAll(() => Promise.all(worlds.map((world) => world.stop())), 120_000);

  it(
    `leaves no machine without an owner and buys none twice in ${ORDERS} orders, half of them deleted, and ${RECLAIMS} migrations`,
    async () => {
      const outcomes = await Promise.all(
        worlds.map(async (world) => ({
          struck: await world.lie(),
          convergedAfterMs: await world.proofWorld.judge.untilEqual(CONVERGE_WITHIN_MS),
          migrated: await world.migrated(CONVERGE_WITHIN_MS),
        })),
      );

      const proofWorlds = worlds.map(({ proofWorld }) => proofWorld);
      expect(sumOf(proofWorlds, ({ acknowledged }) => acknowledged.size)).toBe(ORDERS + RECLAIMS);
      expect(sumOf(proofWorlds, ({ deleted }) => deleted.size)).toBe(ORDERS / 2);
      expect(await allOf(proofWorlds, (world) => world.brokenPromises())).toEqual([]);
      expect(await allOf(proofWorlds, (world) => world.failures())).toEqual([]);
      expect(await allOf(proofWorlds, (world) => world.harmToStrangers())).toEqual([]);
      expect(sumOf(outcomes, ({ migrated }) => migrated)).toBe(RECLAIMS);
      proof.result({
        accounts: ACCOUNTS,
        orders: ORDERS,
        deletes: ORDERS / 2,
        migrations: RECLAIMS,
        createsWhileLying: sumOf(outcomes, ({ struck }) => struck.creates),
        deletesWhileLying: sumOf(outcomes, ({ struck }) => struck.deletes),
        writesLiedAbout: sumOf(outcomes, ({ struck }) => struck.writesLiedAbout),
        orphans: 0,
        doubles: 0,
        convergedAfter: Math.max(...outcomes.map(({ convergedAfterMs }) => convergedAfterMs)) / 1000,
      });
    },
    5 * ORDERING_MS + SIZE.lyingOnAtMostMs + CONVERGE_WITHIN_MS + 600_000,
  );
});

function sumOf<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((sum, item) => sum + amount(item), 0);
}

async function allOf(worlds: readonly ProofWorld[], ask: (world: ProofWorld) => Promise<string[]>): Promise<string[]> {
  return (await Promise.all(worlds.map(ask))).flat();
}
