import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadSettings } from '../../src/platform/config.js';
import { PrismaService } from '../../src/platform/database/prisma.service.js';
import { type AnyTx, run, type Statement, together } from '../../src/platform/database/statement.js';
import { type Companion, accompany, UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const INSERT: Statement = { name: 'test-insert', text: 'INSERT INTO deployment (key, value) VALUES ($1, $2)' };

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

const insert = (key: string, tx: AnyTx) => run(tx, INSERT, [key, '']);
const isThere = async (key: string) => (await prisma.deployment.findUnique({ where: { key } })) !== null;

it('sends statements inside of the transaction that they are given, however many run at once', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, (_, index) =>
      unitOfWork.run(async (tx) => {
        await insert(`own-${index}`, tx);
        await tx.deployment.create({ data: { key: `prisma-${index}`, value: '' } });
        if (index % 2 === 1) throw new Error('given up');
      }),
    ),
  );

  expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(outcomes.map((_, index) => index % 2 === 0));
  const keys = (await prisma.deployment.findMany({ where: { key: { contains: '-' } } })).map(({ key }) => key);
  const even = Array.from({ length: 20 }, (_, index) => index * 2);
  expect(keys.filter((key) => /^(?:own|prisma)-\d+$/.test(key)).toSorted()).toEqual(
    even.flatMap((index) => [`own-${index}`, `prisma-${index}`]).toSorted(),
  );
});

describe.each(['run', 'runStatements'] as const)('a transaction by %s', (begin) => {
  const key = (name: string) => `${begin} ${name}`;

  it('gives up all that was sent together when one of it fails, also what is sent only later', async () => {
    const late = async (tx: AnyTx) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await insert(key('late'), tx);
    };

    const attempt = unitOfWork[begin]((tx) =>
      together([late(tx), insert(key('twice'), tx), insert(key('twice'), tx), insert(key('behind'), tx)]),
    );

    await expect(attempt).rejects.toThrow(/duplicate key/);
    expect(await Promise.all(['twice', 'behind', 'late'].map((name) => isThere(key(name))))).toEqual([
      false,
      false,
      false,
    ]);
    await unitOfWork[begin]((tx) => insert(key('afterwards'), tx));
    expect(await isThere(key('afterwards'))).toBe(true);
  });

  it('holds what its companion has to say, or neither', async () => {
    let said = 0;
    const companion: Companion = {
      write: async (tx) => void (await insert(key('companion'), tx)),
      committed: () => void (said += 1),
    };

    const attempt = accompany(companion, () =>
      unitOfWork[begin](async (tx) => {
        await insert(key('given up'), tx);
        throw new Error('given up');
      }),
    );

    await expect(attempt).rejects.toThrow('given up');
    expect([await isThere(key('companion')), said]).toEqual([false, 0]);
    await accompany(companion, () => unitOfWork[begin]((tx) => insert(key('kept'), tx)));
    expect([await isThere(key('companion')), await isThere(key('kept')), said]).toEqual([true, true, 1]);
  });
});

it('does not take for committed what Postgres has rolled back', async () => {
  const attempt = unitOfWork.runStatements(async (tx) => {
    await insert('swallowed', tx);
    await insert('swallowed', tx).catch(() => undefined);
  });

  await expect(attempt).rejects.toThrow(/had failed/);
  expect(await isThere('swallowed')).toBe(false);
});

it('gives connections back however its transactions end', async () => {
  const endings = Array.from({ length: 60 }, (_, index) =>
    unitOfWork.runStatements(async (tx) => {
      await insert(`ending ${index}`, tx);
      if (index % 3 === 0) throw new Error('given up');
      if (index % 3 === 1) await insert(`ending ${index}`, tx);
    }),
  );

  const outcomes = await Promise.allSettled(endings);

  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  // Also those of failures: whoever tries again meets none of their locks.
  expect(prisma.pool.idleCount).toBe(prisma.pool.totalCount);
  await insert('after the endings', prisma);
  expect(prisma.pool.waitingCount).toBe(0);
});

it('sends what belongs to no transaction through the pool, and refuses a transaction that it does not know', async () => {
  await insert('alone', prisma);

  expect(await isThere('alone')).toBe(true);
  await expect(prisma.$transaction((tx) => insert('unknown', tx))).rejects.toThrow(/not begun by a UnitOfWork/);
});
