import { Injectable, Logger } from '@nestjs/common';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { Leases } from '../platform/database/leases.js';
import { LogRetentionRepository } from './log-retention.repository.js';

const DAY_MS = 24 * 3_600_000;
/** How long the events of a receiver that is switched off wait for it. */
const HELD_MS = 30 * DAY_MS;
const LEASE_MS = 60_000;
const BATCH = 1_000;

/** Removes what the log need not keep any longer. An event stays while a receiver still waits for it. */
@Injectable()
export class LogRetention {
  private readonly logger = new Logger(LogRetention.name);

  constructor(
    private readonly log: LogRetentionRepository,
    private readonly leases: Leases,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  async sweep(): Promise<void> {
    const now = this.clock.now();
    const heldSince = addMs(now, -HELD_MS);
    const keptSince = addMs(now, -this.settings.eventsRetentionDays * DAY_MS);
    const expired = await this.inBatches(() => this.log.expireHeld(heldSince, BATCH));
    const removed = await this.inBatches(() => this.log.removeEvents(keptSince, BATCH));
    if (expired + removed > 0) this.logger.log({ expired, removed }, 'old events swept');
  }

  private async inBatches(work: () => Promise<number>): Promise<number> {
    let total = 0;
    // The lease is taken anew before each batch: another replica may have it by then.
    while ((await this.leases.acquire('log-retention', LEASE_MS)) !== null) {
      const count = await work();
      total += count;
      if (count < BATCH) break;
    }
    return total;
  }
}
