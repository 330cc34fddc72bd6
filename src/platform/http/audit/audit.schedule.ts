import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AuditChain } from './audit-chain.js';
import { AuditTrail } from './audit-trail.js';

const WRITE_EVERY_MS = 250;
const SEAL_EVERY_MS = 5_000;

@Injectable()
export class AuditSchedule implements OnApplicationShutdown {
  private readonly logger = new Logger(AuditSchedule.name);
  private writing = false;
  private sealing = false;

  constructor(
    private readonly trail: AuditTrail,
    private readonly chain: AuditChain,
  ) {}

  @Interval(WRITE_EVERY_MS)
  async writeDown(): Promise<void> {
    if (this.writing) return;
    this.writing = true;
    await this.trail
      .writeDown()
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'audit entries could not be written; the next tick writes them'),
      );
    this.writing = false;
  }

  @Interval(SEAL_EVERY_MS)
  async seal(): Promise<void> {
    if (this.sealing) return;
    this.sealing = true;
    await this.chain
      .sealAll()
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'audit entries are not sealed; the next tick does it'),
      );
    this.sealing = false;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writeDown();
  }
}
