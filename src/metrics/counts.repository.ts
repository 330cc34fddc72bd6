import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';

/** Counts of each replica since its start; those of replicas that are gone stay in the sum. */
@Injectable()
export class CountsRepository {
  constructor(private readonly prisma: PrismaService) {}

  async write(replica: string, counts: ReadonlyMap<string, number>): Promise<void> {
    const names = [...counts.keys()];
    const values = [...counts.values()].map((value) => BigInt(Math.round(value)));
    await this.prisma.$executeRaw`
      INSERT INTO counters (name, replica, value, seen_at)
      SELECT u.name, ${replica}, u.value, clock_timestamp() FROM unnest(${names}::text[], ${values}::bigint[]) AS u (name, value)
      ON CONFLICT (name, replica) DO UPDATE SET value = excluded.value, seen_at = excluded.seen_at`;
  }

  async sumOfOthers(replica: string): Promise<ReadonlyMap<string, number>> {
    const groups = await this.prisma.counter.groupBy({
      by: ['name'],
      where: { replica: { not: replica } },
      _sum: { value: true },
    });
    return new Map(groups.map(({ name, _sum }) => [name, Number(_sum.value ?? 0n)]));
  }
}
