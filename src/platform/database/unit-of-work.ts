import { Injectable } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Prisma } from '../../generated/prisma/client.js';
import { PrismaService } from './prisma.service.js';
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

/** One short transaction; no network call belongs inside. */
@Injectable()
export class UnitOfWork {
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
  async runStatements<T>(work: (tx: StatementTx) => Promise<T>): Promise<T> {
    const companion = currentCompanion();
    const result = await transaction(this.prisma.pool, async (tx) => {
      const done = work(tx);
      await together([done, companion?.write(tx)]);
      return done;
    });
    companion?.committed();
    return result;
  }
}
