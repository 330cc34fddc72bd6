import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { DeliveryEngine } from './delivery-engine.js';
import { LogRetention } from './log-retention.js';

const LOOK_FOR_DUE_EVERY_MS = 1_000;
const RENEW_EVERY_MS = 5_000;
const SWEEP_EVERY_MS = 10 * 60_000;

@Injectable()
export class WebhooksSchedule {
  private readonly logger = new Logger(WebhooksSchedule.name);

  constructor(
    private readonly engine: DeliveryEngine,
    private readonly retention: LogRetention,
  ) {}

  /** Tries that are due by time, and whatever a notification was missed for. */
  @Interval(LOOK_FOR_DUE_EVERY_MS)
  wakeDueDeliveries(): void {
    this.engine.wake();
  }

  @Interval(RENEW_EVERY_MS)
  renewClaims(): Promise<void> {
    return this.engine.renew().catch((error: unknown) => this.note(error));
  }

  @Interval(SWEEP_EVERY_MS)
  sweepLog(): Promise<void> {
    return this.retention.sweep().catch((error: unknown) => this.note(error));
  }

  private note(error: unknown): void {
    this.logger.warn({ err: error }, 'a tick failed; the next one does its work');
  }
}
