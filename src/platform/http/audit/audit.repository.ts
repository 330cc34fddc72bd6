import { Injectable } from '@nestjs/common';
import type { AuditEntry as AuditRow } from '../../../generated/prisma/client.js';
import { PrismaService } from '../../database/prisma.service.js';
import { inOneGo } from '../../database/in-one-go.js';
import { insertingRows } from '../../database/row-statements.js';
import type { AnyTx } from '../../database/statement.js';
import type { Page } from '../pagination.js';
import type { AuditEntry, AuditOutcome } from './audit-entry.js';

export interface AuditFilter {
  readonly teamId?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly outcome?: AuditOutcome;
  readonly requestId?: string;
}

export type KeptAuditEntry = AuditEntry & { readonly position: bigint; readonly txId: bigint };

const WRITTEN = [
  'at',
  'teamId',
  'actor',
  'action',
  'method',
  'route',
  'target',
  'outcome',
  'status',
  'errorCode',
  'requestId',
  'ip',
  'beforeHash',
  'afterHash',
] as const satisfies readonly (keyof AuditEntry)[];
const INSERTING = insertingRows<AuditEntry>('audit-insert', 'audit_entries', WRITTEN);

@Injectable()
export class AuditRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(entry: AuditEntry, tx: AnyTx): Promise<void> {
    await inOneGo(tx, INSERTING, entry);
  }

  async insertAll(entries: readonly AuditEntry[]): Promise<void> {
    await INSERTING.run(entries, this.prisma);
  }

  /** What the newest entry about this left behind. */
  async latestAfterHash(action: string, target: string): Promise<string | null> {
    const row = await this.prisma.auditEntry.findFirst({ where: { action, target }, orderBy: { position: 'desc' } });
    return row?.afterHash ?? null;
  }

  async list(filter: AuditFilter, { limit, offset }: Page): Promise<{ entries: KeptAuditEntry[]; total: number }> {
    const where = { ...filter };
    const [rows, total] = await Promise.all([
      this.prisma.auditEntry.findMany({ where, orderBy: { position: 'desc' }, take: limit, skip: offset }),
      this.prisma.auditEntry.count({ where }),
    ]);
    return { entries: rows.map(toEntry), total };
  }
}

export function toEntry(row: AuditRow): KeptAuditEntry {
  return { ...row, outcome: row.outcome as AuditOutcome };
}
