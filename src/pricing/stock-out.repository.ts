import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { type Offer, placeOf } from './domain/offer.js';

type Place = Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>;

/** Which places lately refused for want of stock; shared by all replicas. */
@Injectable()
export class StockOutRepository {
  constructor(private readonly prisma: PrismaService) {}

  async record({ clusterId, productId, billingMode }: Place, until: Date, tx: Tx): Promise<void> {
    const place = { clusterId, productId, billingMode };
    await tx.stockOut.upsert({
      where: { clusterId_productId_billingMode: place },
      create: { ...place, until },
      update: { until },
    });
  }

  async listPlaces(now: Date): Promise<ReadonlySet<string>> {
    const rows = await this.prisma.stockOut.findMany({ where: { until: { gt: now } } });
    return new Set(
      rows.map((row) => placeOf({ ...row, billingMode: row.billingMode === 'spot' ? 'spot' : 'onDemand' })),
    );
  }
}
