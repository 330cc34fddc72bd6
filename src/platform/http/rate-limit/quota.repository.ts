import { Injectable } from '@nestjs/common';
import { PrismaService } from '../../database/prisma.service.js';
import type { QuotaLease } from './quota-lease.js';

interface LeaseRow {
  granted: bigint;
  used: bigint;
  endsInMs: number;
}

const BATCH = 10_000;

/** One row for each limit and caller, shared by all replicas. */
@Injectable()
export class QuotaRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** Takes up to `wanted` hits out of the current window, or out of a new one when that is over. */
  async lease(name: string, key: string, limit: number, windowMs: number, wanted: number): Promise<QuotaLease> {
    const rows = await this.prisma.$queryRaw<LeaseRow[]>`
      INSERT INTO rate_limit_windows AS w (name, key, used, granted, ends_at)
      VALUES (${name}, ${key}, LEAST(${wanted}::bigint, ${limit}::bigint), LEAST(${wanted}::bigint, ${limit}::bigint),
              clock_timestamp() + make_interval(secs => ${windowMs / 1000}))
      ON CONFLICT (name, key) DO UPDATE SET
        granted = CASE WHEN w.ends_at <= clock_timestamp() THEN excluded.granted
                       ELSE GREATEST(0, LEAST(${wanted}::bigint, ${limit}::bigint - w.used)) END,
        used = CASE WHEN w.ends_at <= clock_timestamp() THEN excluded.used
                    ELSE w.used + GREATEST(0, LEAST(${wanted}::bigint, ${limit}::bigint - w.used)) END,
        ends_at = CASE WHEN w.ends_at <= clock_timestamp() THEN excluded.ends_at ELSE w.ends_at END
      RETURNING w.granted, w.used, (extract(epoch FROM w.ends_at - clock_timestamp()) * 1000)::float8 AS "endsInMs"`;
    const row = rows[0];
    if (row === undefined) throw new Error('The lease of a quota returned nothing');
    return { ...row, granted: Number(row.granted), used: Number(row.used) };
  }

  async removeOld(): Promise<{ isFull: boolean }> {
    const removed = await this.prisma.$executeRaw`
      DELETE FROM rate_limit_windows WHERE (name, key) IN
        (SELECT name, key FROM rate_limit_windows WHERE ends_at < clock_timestamp() - interval '1 hour' LIMIT ${BATCH})`;
    return { isFull: removed >= BATCH };
  }
}
