import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { OrderCap } from '../platform/http/caller.js';
import { OrderLimitReached } from './instances.errors.js';

/** Holds keys to the number of instances that they may have at once. Keys without such a number cost nothing here. */
@Injectable()
export class OrderCaps {
  constructor(private readonly prisma: PrismaService) {}

  /** Turns most of those away that come too late, before they wait for their turn. @throws OrderLimitReached */
  async expectRoom({ family, maxInstances }: OrderCap): Promise<void> {
    const rows = await this.prisma.$queryRaw<{ present: bigint }[]>`
      SELECT count(*) AS present FROM capped_orders o JOIN instances i ON i.id = o.instance_id
       WHERE o.key_family = ${family} AND i.deleted_at IS NULL AND i.phase <> 'failed'`;
    if (Number(rows[0]?.present ?? 0) >= maxInstances) throw new OrderLimitReached(maxInstances);
  }

  /** One order of a family at a time, until its transaction ends: two can never take the same last place. @throws OrderLimitReached */
  async claim(instanceId: string, { family, maxInstances }: OrderCap, tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${family}, 0))`;
    await tx.$executeRaw`
      DELETE FROM capped_orders o USING instances i
       WHERE o.key_family = ${family} AND i.id = o.instance_id AND (i.deleted_at IS NOT NULL OR i.phase = 'failed')`;
    const present = await tx.cappedOrder.count({ where: { keyFamily: family } });
    if (present >= maxInstances) throw new OrderLimitReached(maxInstances);
    await tx.cappedOrder.create({ data: { instanceId, keyFamily: family } });
  }
}
