import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import type { Prisma } from '../../generated/prisma/client.js';

/** A statement that each connection plans once. Its name stands for its text: two texts must never share one. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

type Queryable = Pick<pg.ClientBase, 'query'>;

/** A transaction that takes statements alone, by `run`. */
export interface StatementTx {
  readonly takes: 'statements';
}

export type AnyTx = Prisma.TransactionClient | StatementTx;

interface Slot {
  connection: Queryable | null;
}

const slots = new AsyncLocalStorage<Slot>();
const connections = new WeakMap<object, Queryable>();

/** Prisma keeps the connection of its transaction to itself. It is the first one that is borrowed while it begins. */
export class SharedPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool['connect']>[0]): void;
  override connect(callback?: Parameters<pg.Pool['connect']>[0]): Promise<pg.PoolClient> | void {
    if (callback !== undefined) return super.connect(callback);
    const slot = slots.getStore();
    if (slot === undefined) return super.connect();
    return super.connect().then((client) => {
      slot.connection ??= client;
      return client;
    });
  }
}

/** @param begin begins a transaction and hands it to `work`, which may then also be sent statements by `run` */
export function sharingConnection<Tx extends object, T>(
  work: (tx: Tx) => Promise<T>,
  begin: (work: (tx: Tx) => Promise<T>) => Promise<T>,
): Promise<T> {
  const slot: Slot = { connection: null };
  return slots.run(slot, () =>
    begin((tx) => {
      if (slot.connection === null) throw new Error('The connection of the transaction is not known');
      connections.set(tx, slot.connection);
      return work(tx);
    }),
  );
}

/** Statements outside of a transaction go through the pool. */
export function sharePool(client: object, pool: pg.Pool): void {
  connections.set(client, pool);
}

/**
 * One transaction, without what Prisma does to begin and end one. It is begun and sent its first statements in one go; `work` must
 * have ended what it sent when it ends.
 */
export async function transaction<T>(pool: pg.Pool, work: (tx: StatementTx) => Promise<T>): Promise<T> {
  const connection = await pool.connect();
  const tx: StatementTx = { takes: 'statements' };
  connections.set(tx, connection);
  try {
    const begun = connection.query('BEGIN');
    const done = work(tx);
    await together([begun, done]);
    const { command } = await connection.query('COMMIT');
    if (command !== 'COMMIT') throw new Error('A statement of the transaction had failed');
    connection.release();
    return await done;
  } catch (error) {
    // Waited for: until then its locks would be in the way of whoever tries again. A connection on which even this fails is of no
    // use to anybody else.
    await connection.query('ROLLBACK').then(
      () => connection.release(),
      (reason: Error) => connection.release(reason),
    );
    throw error;
  }
}

/** Part of the transaction, and without what Prisma does for each query: for hot paths, inside a repository. */
export async function run<Row extends object = never>(
  tx: AnyTx,
  { name, text }: Statement,
  values: unknown[],
): Promise<{ rows: Row[]; count: number }> {
  const connection = connections.get(tx);
  if (connection === undefined) throw new Error('This transaction was not begun by a UnitOfWork');
  const { rows, rowCount } = await connection.query<Row>({ name, text, values });
  return { rows, count: rowCount ?? 0 };
}

type Absent = false | null | undefined;

/**
 * Work that sends statements on one connection without waiting for each other, in the order given. All of it has ended when this
 * does: what is sent after the transaction was given up would be no part of it.
 */
export async function together(work: readonly (Promise<unknown> | Absent)[]): Promise<void> {
  const ends = await Promise.allSettled(work.filter((one) => one instanceof Promise));
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  if (failures.length > 0) throw failures.find((failure) => !isAftermath(failure)) ?? failures[0];
}

/** Refused only because a statement before it had failed. */
function isAftermath(failure: unknown): boolean {
  return failure instanceof pg.DatabaseError && failure.code === '25P02';
}
