import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import { type AnyTx, run, type Statement } from '../platform/database/statement.js';
import { type Offer, placeOf } from './domain/offer.js';

type Place = Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>;

const RECORD: Statement = {
  name: 'stock-outs-record',
  text: `
    INSERT INTO stock_outs (cluster_id, product_id, billing_mode, until) VALUES ($1, $2, $3, $4)
    ON CONFLICT (cluster_id, product_id, billing_mode) DO UPDATE SET until = excluded.until`,
};

/** Which places lately refused for want of stock; shared by all replicas. */
@Injectable()
export class StockOutRepository {
  constructor(private readonly prisma: PrismaService) {}

  async record({ clusterId, productId, billingMode }: Place, until: Date, tx: AnyTx): Promise<void> {
    await run(tx, RECORD, [clusterId, productId, billingMode, until]);
  }

  async listPlaces(now: Date): Promise<ReadonlySet<string>> {
    const rows = await this.prisma.stockOut.findMany({ where: { until: { gt: now } } });
    return new Set(
      rows.map((row) => placeOf({ ...row, billingMode: row.billingMode === 'spot' ? 'spot' : 'onDemand' })),
    );
  }
}
