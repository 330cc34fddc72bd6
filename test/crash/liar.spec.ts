import { describe, expect, it } from '@jest/globals';
import { LyingWorld, type Struck } from './lying-world.js';
import { isProof, Proof } from './proof.js';

const CONVERGE_WITHIN_MS = 60_000;

const proof = new Proof('liar');
const WISHED = proof.size(500, 10_000);
/**
 * Four of five calls in an account are lied to, and its refusals slow all its calls down: a long proof has many accounts, of which
 * some are under way at a time.
 */
const ORDERS_OF_ACCOUNT = Math.min(WISHED, 500);
const ACCOUNTS = Math.ceil(WISHED / ORDERS_OF_ACCOUNT);
const ORDERS = ACCOUNTS * ORDERS_OF_ACCOUNT;
const RECLAIMS = ORDERS / 5;
const AT_ONCE = 4;
const ORDERING_MS = ORDERS_OF_ACCOUNT * 60;

const SIZE = {
  orders: ORDERS_OF_ACCOUNT,
  reclaims: RECLAIMS / ACCOUNTS,
  orderingMs: ORDERING_MS,
  // In a proof most orders are bought before they are deleted: a delete that comes sooner spares a create.
  deletedWithinMs: isProof ? 6 * ORDERING_MS : ORDERING_MS / 2,
  lyingOnAtMostMs: isProof ? ORDERS_OF_ACCOUNT * 2000 : ORDERING_MS,
};

/** What became of one account, and everything in it that should not have been. */
interface Outcome {
  readonly struck: Struck;
  readonly convergedAfterMs: number;
  readonly migrated: number;
  readonly ordered: number;
  readonly deleted: number;
  readonly harm: readonly string[];
}

describe('an upstream that lies', () => {
  it(
    `leaves no machine without an owner and buys none twice in ${ORDERS} orders, half of them deleted, and ${RECLAIMS} migrations`,
    async () => {
      const outcomes: Outcome[] = [];
      const accounts = Array.from({ length: ACCOUNTS }, (_, index) => index);
      // The first account that throws ends the proof soon: the others finish the one they are at, and begin no more.
      const workers = await Promise.allSettled(
        Array.from({ length: Math.min(AT_ONCE, ACCOUNTS) }, async () => {
          for (let account = accounts.shift(); account !== undefined; account = accounts.shift()) {
            try {
              outcomes.push(await lieTo(account));
            } catch (error) {
              accounts.length = 0;
              throw error;
            }
            proof.progress(`${outcomes.length} of ${ACCOUNTS} accounts are through`);
          }
        }),
      );

      for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
      expect(outcomes.flatMap(({ harm }) => harm)).toEqual([]);
      expect(sumOf(outcomes, ({ ordered }) => ordered)).toBe(ORDERS + RECLAIMS);
      expect(sumOf(outcomes, ({ deleted }) => deleted)).toBe(ORDERS / 2);
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
    Math.ceil(ACCOUNTS / AT_ONCE) * (5 * ORDERING_MS + SIZE.lyingOnAtMostMs + CONVERGE_WITHIN_MS + 600_000),
  );
});

async function lieTo(account: number): Promise<Outcome> {
  const world = await LyingWorld.start(proof, proof.seed + account, SIZE);
  try {
    const struck = await world.lie();
    const { proofWorld } = world;
    const convergedAfterMs = await proofWorld.judge.untilEqual(CONVERGE_WITHIN_MS);
    const migrated = await world.migrated(CONVERGE_WITHIN_MS);
    const harm = await Promise.all([proofWorld.brokenPromises(), proofWorld.failures(), proofWorld.harmToStrangers()]);
    return {
      struck,
      convergedAfterMs,
      migrated,
      ordered: proofWorld.acknowledged.size,
      deleted: proofWorld.deleted.size,
      harm: harm.flat(),
    };
  } finally {
    await world.stop();
  }
}

function sumOf<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((sum, item) => sum + amount(item), 0);
}
