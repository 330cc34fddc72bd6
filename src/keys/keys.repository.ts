import { Injectable } from '@nestjs/common';
import { type ApiKey as ApiKeyRow, Prisma } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { selectStatement } from '../platform/database/row-statements.js';
import { run } from '../platform/database/statement.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { isScope } from '../platform/http/auth/scopes.js';
import type { Page } from '../platform/http/pagination.js';
import type { ApiKey } from './domain/api-key.js';

/** Any number that nothing else in the database locks. */
const ADMIN_KEYS_LOCK = 7_201_846_535_201n;

const FIND_ALL = selectStatement<ApiKeyRow>(
  'find-keys',
  'api_keys',
  Object.values(Prisma.ApiKeyScalarFieldEnum),
  'WHERE id = ANY($1)',
);

@Injectable()
export class KeysRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(key: ApiKey, tx: Tx): Promise<void> {
    await tx.apiKey.create({
      data: { ...key, scopes: [...key.scopes], secretHash: Uint8Array.from(key.secretHash) },
    });
  }

  async find(id: string, tx: Tx = this.prisma): Promise<ApiKey | null> {
    const row = await tx.apiKey.findUnique({ where: { id } });
    return row && toApiKey(row);
  }

  /** The keys with these ids, in their order; null where there is none. */
  async findAll(ids: readonly string[]): Promise<(ApiKey | null)[]> {
    const { rows } = await run<ApiKeyRow>(this.prisma, FIND_ALL, [ids]);
    const found = new Map(rows.map((row) => [row.id, toApiKey(row)]));
    return ids.map((id) => found.get(id) ?? null);
  }

  async list(teamId: string | undefined, { limit, offset }: Page): Promise<{ keys: ApiKey[]; total: number }> {
    const where = teamId === undefined ? {} : { teamId };
    const [rows, total] = await Promise.all([
      this.prisma.apiKey.findMany({
        where,
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: limit,
        skip: offset,
      }),
      this.prisma.apiKey.count({ where }),
    ]);
    return { keys: rows.map(toApiKey), total };
  }

  /** Whoever ends keys comes one after the other, so that no two of them end the last two admin keys at once. */
  async lockAdminKeys(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${ADMIN_KEYS_LOCK})`;
  }

  async countOtherAdminKeys(exceptId: string, now: Date, tx: Tx): Promise<number> {
    const where = { id: { not: exceptId }, scopes: { has: 'admin' }, revokedAt: null };
    return tx.apiKey.count({ where: { ...where, OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] } });
  }

  async revoke(id: string, now: Date, tx: Tx): Promise<void> {
    await tx.apiKey.updateMany({ where: { id, revokedAt: null }, data: { revokedAt: now } });
  }

  async expire(id: string, expiresAt: Date, tx: Tx): Promise<void> {
    await tx.apiKey.updateMany({ where: { id }, data: { expiresAt } });
  }

  async noteUse(id: string, now: Date, since: Date): Promise<void> {
    const where = { id, OR: [{ lastUsedAt: null }, { lastUsedAt: { lt: since } }] };
    await this.prisma.apiKey.updateMany({ where, data: { lastUsedAt: now } });
  }

  /** Whether any key was ever made, and whether one with the scope admin is good now. */
  async census(now: Date): Promise<{ any: boolean; admin: boolean }> {
    const rows = await this.prisma.$queryRaw<{ any: boolean; admin: boolean }[]>`
      SELECT EXISTS (SELECT 1 FROM api_keys) AS any,
             EXISTS (SELECT 1 FROM api_keys WHERE 'admin' = ANY (scopes) AND revoked_at IS NULL
                        AND (expires_at IS NULL OR expires_at > ${now})) AS admin`;
    return rows[0] ?? { any: false, admin: false };
  }
}

function toApiKey(row: ApiKeyRow): ApiKey {
  return { ...row, scopes: row.scopes.filter(isScope) };
}
