import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';

@Injectable()
export class WebhookFiguresRepository {
  constructor(private readonly prisma: PrismaService) {}

  async oldestPendingSeconds(): Promise<number> {
    const [row] = await this.prisma.$queryRaw<{ seconds: number | null }[]>`
      SELECT extract(epoch FROM now() - min(o.created_at))::float8 AS seconds
        FROM webhook_endpoints w, LATERAL (
          SELECT created_at FROM webhook_deliveries d WHERE d.endpoint_id = w.id AND d.state = 'pending'
           ORDER BY d.created_at, d.sequence LIMIT 1) o
       WHERE w.state = 'enabled'`;
    return Math.max(0, row?.seconds ?? 0);
  }

  /** `open`: switched on, but its breaker waits for the receiver to come back. */
  async countEndpoints(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.prisma.$queryRaw<{ state: string; count: number }[]>`
      SELECT CASE WHEN state = 'enabled' AND next_probe_at IS NOT NULL THEN 'open' ELSE state END AS state, count(*)::int AS count
        FROM webhook_endpoints WHERE state <> 'deleted' GROUP BY 1`;
    return new Map(rows.map(({ state, count }) => [state, count]));
  }
}
