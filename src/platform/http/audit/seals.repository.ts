import { Injectable } from '@nestjs/common';
import type { AuditEntry as AuditRow } from '../../../generated/prisma/client.js';
import { PrismaService } from '../../database/prisma.service.js';
import type { Tx } from '../../database/unit-of-work.js';
import { type KeptAuditEntry, toEntry } from './audit.repository.js';
import type { Seal } from './seal.js';

/** A place in the order in which entries are sealed. */
export type Place = Pick<Seal, 'throughTxId' | 'throughPosition'>;

/** Any number that nothing else in the database locks. */
const SEALING_LOCK = 7_201_846_535_202n;

@Injectable()
export class SealsRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** One replica seals at a time, until its transaction ends; false while another does. */
  async tryLock(tx: Tx): Promise<boolean> {
    const rows = await tx.$queryRaw<{ locked: boolean }[]>`SELECT pg_try_advisory_xact_lock(${SEALING_LOCK}) AS locked`;
    return rows[0]?.locked ?? false;
  }

  async newest(tx: Tx = this.prisma): Promise<Seal | null> {
    return tx.auditSeal.findFirst({ orderBy: { number: 'desc' } });
  }

  async find(number: bigint): Promise<Seal | null> {
    return this.prisma.auditSeal.findUnique({ where: { number } });
  }

  async listAfter(number: bigint, limit: number): Promise<Seal[]> {
    return this.prisma.auditSeal.findMany({
      where: { number: { gt: number } },
      orderBy: { number: 'asc' },
      take: limit,
    });
  }

  async insert(seal: Seal, tx: Tx): Promise<void> {
    await tx.auditSeal.create({ data: seal });
  }

  /** Entries that no later one can come before. */
  async finalAfter({ throughTxId, throughPosition }: Place, limit: number, tx: Tx): Promise<KeptAuditEntry[]> {
    const places = await tx.$queryRaw<{ position: bigint }[]>`
      SELECT position FROM audit_entries
       WHERE (tx_id, position) > (${throughTxId}, ${throughPosition}) AND tx_id < event_horizon()
       ORDER BY tx_id, position LIMIT ${limit}`;
    return inOrder(
      await tx.auditEntry.findMany({ where: { position: { in: places.map(({ position }) => position) } } }),
    );
  }

  /** What lies behind one place, up to and with another. */
  async between(after: Place, through: Place): Promise<KeptAuditEntry[]> {
    const places = await this.prisma.$queryRaw<{ position: bigint }[]>`
      SELECT position FROM audit_entries
       WHERE (tx_id, position) > (${after.throughTxId}, ${after.throughPosition})
         AND (tx_id, position) <= (${through.throughTxId}, ${through.throughPosition})`;
    return inOrder(
      await this.prisma.auditEntry.findMany({ where: { position: { in: places.map(({ position }) => position) } } }),
    );
  }
}

function inOrder(rows: AuditRow[]): KeptAuditEntry[] {
  const byPlace = (a: AuditRow, b: AuditRow) => Number(a.txId - b.txId) || Number(a.position - b.position);
  return rows.toSorted(byPlace).map(toEntry);
}
