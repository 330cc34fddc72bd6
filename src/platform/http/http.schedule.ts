import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../clock.js';
import { IdempotencyRepository } from './idempotency/idempotency.repository.js';
import { QuotaRepository } from './rate-limit/quota.repository.js';

const TIDY_EVERY_MS = 600_000;

/** Removes what is over; nothing depends on when. */
@Injectable()
export class HttpSchedule {
  private readonly logger = new Logger(HttpSchedule.name);

  constructor(
    private readonly answers: IdempotencyRepository,
    private readonly quotas: QuotaRepository,
    private readonly clock: Clock,
  ) {}

  @Interval(TIDY_EVERY_MS)
  async tidy(): Promise<void> {
    try {
      const now = this.clock.now();
      await untilNoneIsLeft(() => this.answers.removeOld(now));
      await untilNoneIsLeft(() => this.quotas.removeOld());
    } catch (error) {
      this.logger.warn({ err: error }, 'what is over could not be removed; the next tick removes it');
    }
  }
}

/** In batches, so that no statement lasts long; the last one is short. */
async function untilNoneIsLeft(removeBatch: () => Promise<{ isFull: boolean }>): Promise<void> {
  while ((await removeBatch()).isFull);
}
