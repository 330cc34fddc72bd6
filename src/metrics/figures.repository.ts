import { Injectable } from '@nestjs/common';
import type { Phase } from '../instances/domain/instance.js';
import { PrismaService } from '../platform/database/prisma.service.js';

/** A delete that is sent for the third time was ignored twice. */
const ATTEMPTS_TO_WORRY = 3;

export interface Figures {
  readonly oldestDueSeconds: number;
  readonly oldestPendingWebhookSeconds: number;
  readonly pendingWebhooks: number;
  readonly retirementsFailing: number;
  readonly orphansKnown: number;
  /** Null until a first listing was complete. */
  readonly lastSweepAgeSeconds: number | null;
  readonly machinesSeen: number;
  readonly spendUsd: number;
}

/** What all replicas share, read from the rows: any of them gives the same answer. */
@Injectable()
export class FiguresRepository {
  constructor(private readonly prisma: PrismaService) {}

  async read(): Promise<Figures> {
    const [figures] = await this.prisma.$queryRaw<Figures[]>`
      SELECT GREATEST(0, extract(epoch FROM clock_timestamp() - LEAST(
               (SELECT min(next_check_at) FROM instances),
               (SELECT min(next_check_at) FROM placements WHERE state = 'retiring'))))::float8 AS "oldestDueSeconds",
             COALESCE(extract(epoch FROM clock_timestamp() - w.oldest), 0)::float8 AS "oldestPendingWebhookSeconds",
             w.pending::int AS "pendingWebhooks",
             (SELECT count(*) FROM placements WHERE state = 'retiring' AND novita_id IS NOT NULL
                 AND retire_attempts >= ${ATTEMPTS_TO_WORRY})::int
               AS "retirementsFailing",
             (SELECT count(*) FROM orphans WHERE removed_at IS NULL)::int AS "orphansKnown",
             extract(epoch FROM clock_timestamp() - s.completed_at)::float8 AS "lastSweepAgeSeconds",
             COALESCE(s.machines_seen, 0)::int AS "machinesSeen",
             COALESCE((SELECT sum(price_per_hour_micros * extract(epoch FROM COALESCE(billed_to, clock_timestamp()) - billed_from))
                         FROM placements WHERE billed_from IS NOT NULL), 0)::float8 / 3600 / 1000000 AS "spendUsd"
        FROM (SELECT min(created_at) AS oldest, count(*) AS pending FROM webhook_deliveries
               WHERE state = 'pending' AND endpoint_id IN (SELECT id FROM webhook_endpoints WHERE state = 'enabled')) w
        LEFT JOIN (SELECT completed_at, machines_seen FROM sweeps WHERE name = 'observer') s ON true`;
    if (figures === undefined) throw new Error('The figures query returned no row');
    return figures;
  }

  async countPhases(): Promise<ReadonlyMap<Phase, number>> {
    const groups = await this.prisma.instance.groupBy({ by: ['phase'], where: { deletedAt: null }, _count: true });
    return new Map(groups.map(({ phase, _count }) => [phase as Phase, _count]));
  }

  async countPlacements(): Promise<ReadonlyMap<string, number>> {
    const groups = await this.prisma.placement.groupBy({
      by: ['state'],
      where: { state: { in: ['intended', 'confirmed', 'retiring'] } },
      _count: true,
    });
    return new Map(groups.map(({ state, _count }) => [state, _count]));
  }

  async countEndpoints(): Promise<ReadonlyMap<string, number>> {
    const groups = await this.prisma.webhookEndpoint.groupBy({
      by: ['state'],
      where: { state: { not: 'deleted' } },
      _count: true,
    });
    return new Map(groups.map(({ state, _count }) => [state, _count]));
  }
}
