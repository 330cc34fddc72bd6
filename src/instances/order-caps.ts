import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import { type AnyTx, run, type Statement } from '../platform/database/statement.js';
import type { OrderCap } from '../platform/http/caller.js';
import { OrderLimitReached } from './instances.errors.js';

const LOCK: Statement = {
  name: 'caps-lock',
  text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))',
};

const FREE: Statement = {
  name: 'caps-free',
  text: `
    DELETE FROM capped_orders o USING instances i
     WHERE o.key_family = $1 AND i.id = o.instance_id AND (i.deleted_at IS NOT NULL OR i.phase = 'failed')`,
};

const CLAIM: Statement = {
  name: 'caps-claim',
  text: `
    INSERT INTO capped_orders (instance_id, key_family)
    SELECT $1, $2 WHERE (SELECT count(*) FROM capped_orders WHERE key_family = $2) < $3::int`,
};

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
  async claim(instanceId: string, { family, maxInstances }: OrderCap, tx: AnyTx): Promise<void> {
    await run(tx, LOCK, [family]);
    await run(tx, FREE, [family]);
    const { count } = await run(tx, CLAIM, [instanceId, family, maxInstances]);
    if (count === 0) throw new OrderLimitReached(maxInstances);
  }
}
