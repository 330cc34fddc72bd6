import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { AuditTrail } from './audit-trail.js';

const WRITE_EVERY_MS = 250;

@Injectable()
export class AuditSchedule implements OnApplicationShutdown {
  private readonly logger = new Logger(AuditSchedule.name);
  private writing = false;

  constructor(private readonly trail: AuditTrail) {}

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

  async onApplicationShutdown(): Promise<void> {
    await this.writeDown();
  }
}
