import { Injectable } from '@nestjs/common';
import { Settings } from '../config.js';
import { Draining } from '../draining.js';
import { PrismaService } from './prisma.service.js';

/** Ends the leases of a replica that stops: another goes on at once and does not wait for them to run out. */
@Injectable()
export class LeaseHandOver {
  constructor(
    private readonly prisma: PrismaService,
    private readonly settings: Settings,
    draining: Draining,
  ) {
    draining.handOver(() => this.releaseAll());
  }

  private async releaseAll(): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE leases SET expires_at = clock_timestamp()
       WHERE holder = ${this.settings.replicaId} AND expires_at > clock_timestamp()`;
  }
}
