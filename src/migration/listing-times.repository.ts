import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';

@Injectable()
export class ListingTimes {
  constructor(private readonly prisma: PrismaService) {}

  /** When the observer's latest complete listing was begun. */
  async latestCompleteStart(): Promise<Date | null> {
    const row = await this.prisma.sweep.findUnique({ where: { name: 'observer' }, select: { startedAt: true } });
    return row?.startedAt ?? null;
  }
}
