import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadSettings } from '../../src/platform/config.js';
import { PrismaService } from '../../src/platform/database/prisma.service.js';
import { run, type Statement, together } from '../../src/platform/database/statement.js';
import { type Tx, UnitOfWork } from '../../src/platform/database/unit-of-work.js';
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

const insert = (key: string, tx: Tx) => run(tx, INSERT, [key, '']);
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

it('gives up all that was sent together when one of it fails, also what is sent only later', async () => {
  const late = async (tx: Tx) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await insert('late', tx);
  };

  const attempt = unitOfWork.run((tx) =>
    together([insert('together', tx), insert('together', tx), insert('behind', tx), late(tx)]),
  );

  await expect(attempt).rejects.toThrow(/duplicate key/);
  expect(await Promise.all(['together', 'behind', 'late'].map(isThere))).toEqual([false, false, false]);
  await unitOfWork.run((tx) => insert('afterwards', tx));
  expect(await isThere('afterwards')).toBe(true);
});

it('sends what belongs to no transaction through the pool, and refuses a transaction that it does not know', async () => {
  await insert('alone', prisma);

  expect(await isThere('alone')).toBe(true);
  await expect(prisma.$transaction((tx) => insert('unknown', tx))).rejects.toThrow(/not begun by a UnitOfWork/);
});
