import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { migrateInstance } from '../instances/instances.jobs.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { ExecutionsRepository } from './executions.repository.js';
import { MigrationRunner } from './migration-runner.js';

const CARRY_ON_EVERY_MS = 1000;
const LOOK_FOR_DUE_EVERY_MS = 500;
const TIDY_EVERY_MS = 3_600_000;
const AT_ONCE = 500;
const DAY_MS = 86_400_000;

/** The migration's timers; what a tick does is decided by rows. */
@Injectable()
export class MigrationSchedule {
  private readonly logger = new Logger(MigrationSchedule.name);
  private looking = false;

  constructor(
    private readonly runner: MigrationRunner,
    private readonly executions: ExecutionsRepository,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  @Interval(CARRY_ON_EVERY_MS)
  carryOn(): Promise<void> {
    return this.runner.tick().catch((error: unknown) => this.note(error));
  }

  @Interval(LOOK_FOR_DUE_EVERY_MS)
  async wakeDue(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const due = await this.executions.listDue(this.clock.now(), AT_ONCE);
      const deadlines = new Map(due.map(({ instanceId, deadline }) => [instanceId, deadline]));
      await this.jobs.wakeAll(
        migrateInstance,
        due.map(({ instanceId }) => ({ instanceId })),
        ({ instanceId }) => deadlines.get(instanceId) ?? null,
      );
    } catch (error) {
      this.note(error);
    } finally {
      this.looking = false;
    }
  }

  @Interval(TIDY_EVERY_MS)
  tidy(): Promise<void> {
    const before = addMs(this.clock.now(), -this.settings.eventsRetentionDays * DAY_MS);
    return this.executions.deleteCompletedBefore(before).catch((error: unknown) => this.note(error));
  }

  private note(error: unknown): void {
    this.logger.warn({ err: error }, 'a tick failed; the next one does its work');
  }
}
