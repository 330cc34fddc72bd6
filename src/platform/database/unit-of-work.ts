import { Injectable } from '@nestjs/common';
import type { Prisma } from '../../generated/prisma/client.js';
import { PrismaService } from './prisma.service.js';

/** What a repository needs to take part in somebody's transaction. */
export type Tx = Prisma.TransactionClient;

/** One short transaction; no network call belongs inside. */
@Injectable()
export class UnitOfWork {
  constructor(private readonly prisma: PrismaService) {}

  async run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.prisma.$transaction(work, {
      // Far above Postgres' own timeouts: when Prisma's expires while COMMIT is in flight the process can die (prisma/orm#29952).
      timeout: 60_000,
      maxWait: 5_000,
    });
  }
}
