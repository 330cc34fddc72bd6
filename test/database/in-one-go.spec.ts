import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { loadSettings } from '../../src/platform/config.js';
import { inOneGo, type Joint } from '../../src/platform/database/in-one-go.js';
import { PrismaService } from '../../src/platform/database/prisma.service.js';
import { type AnyTx, run, type Statement, together } from '../../src/platform/database/statement.js';
import { type Companion, accompany, UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const INSERT: Statement = {
  name: 'test-insert-all',
  text: `
    INSERT INTO deployment (key, value) SELECT key, pg_current_xact_id()::text FROM unnest($1::text[]) AS t (key)
    RETURNING key, value AS "txId"`,
};
const END_MYSELF: Statement = { name: 'test-end', text: 'SELECT pg_terminate_backend(pg_backend_pid())' };

let sizes: number[] = [];
const INSERTING: Joint<string, string> = {
  async run(keys, tx) {
    sizes.push(keys.length);
    const { rows } = await run<{ key: string; txId: string }>(tx, INSERT, [keys]);
    return keys.map((key) => `${key} in ${rows.find((row) => row.key === key)?.txId}`);
  },
};
const insert = (key: string, tx: AnyTx) => inOneGo(tx, INSERTING, key);

let database: TestDatabase;
let prisma: PrismaService;
let unitOfWork: UnitOfWork;
beforeAll(async () => {
  database = await createTestDatabase();
  prisma = new PrismaService(loadSettings({ DATABASE_URL: database.url, NOVITA_SANDBOX: 'true' }));
  unitOfWork = new UnitOfWork(prisma);
});
afterAll(async () => {
  await prisma.onApplicationShutdown();
  await database.drop();
});

const count = (prefix: string) => prisma.deployment.count({ where: { key: { startsWith: prefix } } });
const several = (length: number, work: (index: number) => Promise<unknown>) =>
  Promise.allSettled(Array.from({ length }, (_, index) => work(index)));
const fulfilled = (ends: PromiseSettledResult<unknown>[]) =>
  ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));

it('does at once for all works that come together what each of them hands in, in one transaction', async () => {
  sizes = [];

  const ends = await several(20, (index) => unitOfWork.runAmongOthers((tx) => insert(`group ${index}`, tx)));

  const results = fulfilled(ends) as string[];
  const [transaction] = results[0]?.split(' in ').slice(1) ?? [];
  expect(results).toEqual(results.map((_, index) => `group ${index} in ${transaction}`));
  expect([results.length, sizes]).toEqual([20, [20]]);
});

it('does it for itself where a transaction has one work', async () => {
  sizes = [];

  await unitOfWork.runAmongOthers((tx) => together([insert('alone 1', tx), insert('alone 2', tx)]));
  await unitOfWork.runStatements((tx) => insert('alone 3', tx));

  expect([sizes, await count('alone')]).toEqual([[1, 1, 1], 3]);
});

it('keeps nothing of a group in which a work fails, and runs each again by itself', async () => {
  await prisma.deployment.create({ data: { key: 'spoilt 3', value: '' } });
  const seen: string[] = [];

  const ends = await several(8, (index) =>
    unitOfWork.runAmongOthers(async (tx) => {
      const result = await insert(`spoilt ${index}`, tx);
      seen.push(result);
      if (index === 5) throw new Error('given up');
      return result;
    }),
  );

  expect(ends.map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, true, false, true, true]);
  expect(ends[3]).toMatchObject({ reason: { message: expect.stringMatching(/duplicate key/) } });
  expect(ends[5]).toMatchObject({ reason: { message: 'given up' } });
  // Each of its own transaction, and the one that was there before.
  expect(new Set(seen.map((result) => result.split(' in ')[1])).size).toBe(seen.length);
  expect(await count('spoilt')).toBe(7);
});

it('runs them again when the connection of the group is lost before its end', async () => {
  const ends = await several(6, (index) =>
    unitOfWork.runAmongOthers(async (tx) => {
      await insert(`lost ${index}`, tx);
      if (index === 2) await run(tx, END_MYSELF, []);
    }),
  );

  expect(ends.map(({ status }) => status === 'fulfilled')).toEqual([true, true, false, true, true, true]);
  expect(await count('lost')).toBe(5);
});

it('tells everybody of a failure at the very end, when nobody knows what was kept', async () => {
  let runs = 0;

  const ends = await several(4, (index) =>
    unitOfWork.runAmongOthers(async (tx) => {
      runs += 1;
      // Swallowed here, so that only COMMIT tells.
      await run(tx, { name: '', text: 'SELECT 1 / 0' }, []).catch(() => undefined);
      return index;
    }),
  );

  expect(ends.map((end) => end.status === 'rejected' && String(end.reason))).toEqual(
    ends.map(() => 'Error: A statement of the transaction had failed'),
  );
  expect(runs).toBe(4);
});

it('has each companion say its own once, and leaves each work in the context of its caller', async () => {
  const callers = new AsyncLocalStorage<number>();
  const committed = new Set<number>();
  const companionOf = (index: number): Companion => ({
    write: async (tx) => void (await insert(`companion ${index}`, tx)),
    committed: () => void committed.add(index),
  });
  sizes = [];

  const ends = await several(5, (index) =>
    callers.run(index, () =>
      accompany(companionOf(index), () =>
        unitOfWork.runAmongOthers(async (tx) => {
          await insert(`escorted ${index}`, tx);
          return callers.getStore();
        }),
      ),
    ),
  );

  expect(fulfilled(ends)).toEqual([0, 1, 2, 3, 4]);
  expect(committed.size).toBe(5);
  expect([await count('companion'), await count('escorted'), sizes]).toEqual([5, 5, [10]]);
});
