import { Injectable, Logger } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Prisma } from '../../generated/prisma/client.js';
import { Batcher } from '../batcher.js';
import { shareAmongWorks } from './in-one-go.js';
import { CONNECTED_WITHIN_MS, PrismaService } from './prisma.service.js';
import { type AnyTx, sharingConnection, type StatementTx, together, transaction } from './statement.js';

/** What a repository needs to take part in somebody's transaction. */
export type Tx = Prisma.TransactionClient;

/** Writes something of its own into every transaction of the work that it goes along with, so that both are there or neither. */
export interface Companion {
  write(tx: AnyTx): Promise<void>;
  committed(): void;
}

const companions = new AsyncLocalStorage<Companion>();

export function accompany<T>(companion: Companion, work: () => T): T {
  return companions.run(companion, work);
}

export function currentCompanion(): Companion | undefined {
  return companions.getStore();
}

const OPTIONS = {
  // Far above Postgres' own timeouts: when Prisma's expires while COMMIT is in flight the process can die (prisma/orm#29952).
  timeout: 60_000,
  maxWait: 5_000,
};

/**
 * Works that share a transaction, at most. There is one of those at a time: commits that notify wait for each other in Postgres,
 * and the next group gathers meanwhile.
 */
const MAX_TOGETHER = 50;

type Work<T> = (tx: StatementTx) => Promise<T>;

/** A work of the group failed, and nothing of it was committed. */
class GroupGivenUp extends Error {}

/** One short transaction; no network call belongs inside. */
@Injectable()
export class UnitOfWork {
  private readonly logger = new Logger(UnitOfWork.name);
  private readonly groups = new Batcher(
    (works: readonly Work<unknown>[]) => this.runAll(works),
    MAX_TOGETHER,
    CONNECTED_WITHIN_MS,
  );

  constructor(private readonly prisma: PrismaService) {}

  async run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const companion = currentCompanion();
    const whole = async (tx: Tx) => {
      const done = await work(tx);
      await companion?.write(tx);
      return done;
    };
    const result = await sharingConnection<Tx, T>(whole, (shared) => this.prisma.$transaction(shared, OPTIONS));
    companion?.committed();
    return result;
  }

  /** For hot paths, of statements alone. What the companion says is sent with them: `work` may not add to it. */
  async runStatements<T>(work: Work<T>): Promise<T> {
    const companion = currentCompanion();
    const result = await transaction(this.prisma.pool, escorted(work, companion));
    companion?.committed();
    return result;
  }

  /**
   * As `runStatements`, for works that come by the dozen: those that come together share a transaction, and what they do `inOneGo`.
   * When one of them fails nothing of the group is committed, and each is run again, alone: a work must bear that. A failure of the
   * transaction itself is everybody's.
   */
  async runAmongOthers<T>(work: Work<T>): Promise<T> {
    const companion = currentCompanion();
    const here = AsyncLocalStorage.snapshot();
    const end = (await this.groups.add((tx) => here(escorted(work, companion), tx))) as End<T>;
    if (end === null) return this.runStatements(work);
    companion?.committed();
    return end.result;
  }

  private async runAll(works: readonly Work<unknown>[]): Promise<readonly End<unknown>[]> {
    const [first] = works;
    if (works.length === 1 && first) return [{ result: await transaction(this.prisma.pool, first) }];
    try {
      const results = await transaction(this.prisma.pool, (tx) => runSharing(works, tx));
      return results.map((result) => ({ result }));
    } catch (error) {
      if (!(error instanceof GroupGivenUp)) throw error;
      this.logger.debug({ works: works.length, err: error.cause }, 'a work of a group failed: each runs again, alone');
      return works.map(() => null);
    }
  }
}

/** What became of a work in a group; null when the group was given up. */
type End<T> = { readonly result: T } | null;

async function runSharing(works: readonly Work<unknown>[], tx: StatementTx): Promise<unknown[]> {
  shareAmongWorks(tx);
  const all = works.map((work) => work(tx));
  await together(all).catch((cause: unknown) => {
    throw new GroupGivenUp('A work of the group failed', { cause });
  });
  return Promise.all(all);
}

function escorted<T>(work: Work<T>, companion: Companion | undefined): Work<T> {
  return async (tx) => {
    const done = work(tx);
    await together([done, companion?.write(tx)]);
    return done;
  };
}
