import { Injectable } from '@nestjs/common';
import { HealthIndicatorService, type HealthIndicatorResult } from '@nestjs/terminus';
import { CallBudget } from '../novita/call-budget.js';
import { Settings } from '../platform/config.js';
import { pendingMigrations } from '../platform/database/migrate.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { Jobs } from '../platform/jobs/jobs.service.js';

const CHECK_TIMEOUT_MS = 1000;
/** A single slip of the upstream is no news; two in a row are. */
const FAILURES_TO_WORRY = 2;

/** What Terminus asks: each answers within a second, and none reads more than a row. */
@Injectable()
export class HealthIndicators {
  /** Migrations are never taken back, so that one look that finds none missing is enough. */
  private isMigrated = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly prisma: PrismaService,
    private readonly budget: CallBudget,
    private readonly jobs: Jobs,
    private readonly settings: Settings,
  ) {}

  async database(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('database');
    return (await answersInTime(() => this.prisma.$queryRaw`SELECT 1`)) ? indicator.up() : indicator.down();
  }

  async migrations(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('migrations');
    if (!this.isMigrated)
      await answersInTime(async () => {
        this.isMigrated = (await pendingMigrations(this.settings.databaseUrl)).length === 0;
      });
    return this.isMigrated ? indicator.up() : indicator.down({ message: 'migrations are missing' });
  }

  /** From the gate that every call passes: the observer's listings keep it current, and no probe adds load to an outage. */
  async novitaApi(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('novitaApi');
    let isHealthy = false;
    await answersInTime(async () => {
      isHealthy = (await this.budget.health()).consecutiveFailures < FAILURES_TO_WORRY;
    });
    return isHealthy ? indicator.up() : indicator.down();
  }

  async jobQueue(): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check('jobs');
    return this.jobs.isRunning ? indicator.up() : indicator.down();
  }

  /** The cache lives in this process; it cannot be away, and is here because the contract names it. */
  async cache(): Promise<HealthIndicatorResult> {
    return this.indicators.check('cache').up();
  }
}

async function answersInTime(work: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), CHECK_TIMEOUT_MS);
  });
  const done = work().then(
    () => true,
    () => false,
  );
  const answered = await Promise.race([done, late]);
  clearTimeout(timer);
  return answered;
}
