import { Injectable } from '@nestjs/common';
import { type EventCursor, encodeCursor, isAfter, parseCursor } from '../events/domain/cursor.js';
import { SWEPT_KEY } from '../events/events.repository.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';

@Injectable()
export class LogRetentionRepository {
  constructor(private readonly prisma: PrismaService) {}

  /**
   * What a switched-off receiver has not fetched in time, and what was written while its receiver was being deleted.
   * @returns how many.
   */
  async expireHeld(before: Date, limit: number): Promise<number> {
    return this.prisma.$executeRaw`
      UPDATE webhook_deliveries t SET state = over.state, next_attempt_at = NULL
        FROM (SELECT d.id, CASE WHEN w.state = 'deleted' THEN 'cancelled' ELSE 'expired' END AS state
                FROM webhook_endpoints w JOIN webhook_deliveries d ON d.endpoint_id = w.id
               WHERE d.state = 'pending' AND (w.state = 'deleted' OR (w.state = 'disabled' AND d.created_at < ${before}))
               LIMIT ${limit}) over
       WHERE t.id = over.id AND t.state = 'pending'`;
  }

  /** Takes their deliveries along. Readers who were not yet past them are told by the mark. @returns how many. */
  async removeEvents(before: Date, limit: number): Promise<number> {
    return this.prisma.$transaction(async (tx) => {
      const removed = await tx.$queryRaw<EventCursor[]>`
        DELETE FROM events WHERE position IN (
          SELECT e.position FROM events e
           WHERE e.occurred_at < ${before}
             AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id AND d.state = 'pending')
           ORDER BY e.occurred_at LIMIT ${limit})
        RETURNING tx_id AS "txId", position`;
      if (removed.length > 0) await this.mark(removed, tx);
      return removed.length;
    });
  }

  private async mark(removed: readonly EventCursor[], tx: Tx): Promise<void> {
    const before = await tx.deployment.findUnique({ where: { key: SWEPT_KEY } });
    const start = (before && parseCursor(before.value)) ?? { txId: 0n, position: 0n };
    const last = removed.reduce((furthest, cursor) => (isAfter(cursor, furthest) ? cursor : furthest), start);
    const value = encodeCursor(last);
    await tx.deployment.upsert({ where: { key: SWEPT_KEY }, create: { key: SWEPT_KEY, value }, update: { value } });
  }
}
