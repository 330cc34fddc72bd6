import { Injectable } from '@nestjs/common';
import { HealthCheckService, type HealthIndicatorResult } from '@nestjs/terminus';
import { MigrationService } from '../migration/migration.service.js';
import { CallBudget, type UpstreamHealth } from '../novita/call-budget.js';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { Draining } from '../platform/draining.js';
import { VERSION } from '../platform/version.js';
import type { HealthReport } from './health.dto.js';
import { HealthIndicators } from './health.indicators.js';

/** Probes come often and from several sides; what one learned is good for the others for this long. */
const GOOD_FOR_MS = 500;
/** A turn of the migration may wait for the one before it; this late, nobody takes turns any more. */
const OVERDUE_MS = 3_600_000;

type Checks = ReadonlyMap<string, boolean>;

export interface JudgedReport {
  readonly isHealthy: boolean;
  readonly report: HealthReport;
}

@Injectable()
export class HealthService {
  private hasStarted = false;
  private readonly checks = new Lasting(() => this.ask());
  private readonly reports = new Lasting(() => this.makeReport());

  constructor(
    private readonly terminus: HealthCheckService,
    private readonly indicators: HealthIndicators,
    private readonly budget: CallBudget,
    private readonly draining: Draining,
    private readonly migration: MigrationService,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  report(): Promise<JudgedReport> {
    return this.reports.get();
  }

  private async makeReport(): Promise<JudgedReport> {
    const checks = await this.checks.get();
    const word = (name: string) => (checks.get(name) === true ? 'healthy' : 'unhealthy');
    const isHealthy = !this.draining.isOn && [...checks.values()].every(Boolean);
    const gate = checks.get('database') === true ? await this.budget.health().catch(() => null) : null;
    const report: HealthReport = {
      status: isHealthy ? 'healthy' : 'unhealthy',
      timestamp: this.clock.now().toISOString(),
      uptime: Math.floor(process.uptime()),
      dependencies: {
        novitaApi: word('novitaApi'),
        cache: word('cache'),
        database: word('database'),
        jobs: word('jobs'),
      },
      migrationService: await this.describeMigration(checks.get('database') === true),
      upstream: this.describeUpstream(gate),
      version: VERSION,
    };
    return { isHealthy, report };
  }

  /** Ready means: can take requests. An upstream that is down does not take all replicas out of service at once. */
  async failingForReady(): Promise<string[]> {
    if (this.draining.isOn) return ['draining'];
    const checks = await this.checks.get();
    return ['database', 'migrations', 'jobs'].filter((name) => checks.get(name) !== true);
  }

  /** Once started, always started: what fails later is for the other probes to tell. */
  async failingForStartup(): Promise<string[]> {
    if (this.hasStarted) return [];
    const checks = await this.checks.get();
    const failing = ['database', 'migrations', 'jobs'].filter((name) => checks.get(name) !== true);
    this.hasStarted = failing.length === 0;
    return failing;
  }

  /** What the rows say; without the database nothing is known of it. */
  private async describeMigration(isReadable: boolean): Promise<HealthReport['migrationService']> {
    const enabled = this.settings.migrationEnabled;
    const unknown = { enabled, lastExecution: null, nextExecution: null, status: 'unhealthy', recentErrors: 0 };
    if (!isReadable) return unknown;
    try {
      const [{ last, nextAt }, recentErrors] = await Promise.all([
        this.migration.status(),
        this.migration.countRecentErrors(),
      ]);
      const isOverdue = nextAt !== null && this.clock.now().getTime() - nextAt.getTime() > OVERDUE_MS;
      return {
        enabled,
        lastExecution: (last?.startedAt ?? last?.createdAt)?.toISOString() ?? null,
        nextExecution: nextAt?.toISOString() ?? null,
        status: !enabled ? 'disabled' : isOverdue ? 'unhealthy' : 'healthy',
        recentErrors,
      };
    } catch {
      return unknown;
    }
  }

  private describeUpstream(gate: UpstreamHealth | null): HealthReport['upstream'] {
    const isFailing = gate !== null && gate.consecutiveFailures > 0 && gate.lastFailureClass !== null;
    return {
      sandbox: this.settings.upstreamIsSandbox,
      circuit: gate?.isOpen === true ? 'open' : 'closed',
      ...(isFailing && { lastFailure: gate.lastFailureClass ?? '' }),
    };
  }

  /** Terminus throws when a check is down; the shape of the answer is the contract's, not its. */
  private async ask(): Promise<Checks> {
    const { indicators } = this;
    const checks = [
      () => indicators.database(),
      () => indicators.migrations(),
      () => indicators.novitaApi(),
      () => indicators.jobQueue(),
      () => indicators.cache(),
    ];
    const results = await this.terminus.check(checks).then(
      ({ details }) => details,
      (error: unknown) => detailsOf(error),
    );
    return new Map(Object.entries(results).map(([name, { status }]) => [name, status === 'up']));
  }
}

function detailsOf(error: unknown): HealthIndicatorResult {
  const response =
    error instanceof Error && 'getResponse' in error && typeof error.getResponse === 'function'
      ? (error.getResponse() as unknown)
      : null;
  if (typeof response === 'object' && response !== null && 'details' in response)
    return response.details as HealthIndicatorResult;
  throw error;
}

/** Learns something at most so often, however many ask. */
class Lasting<T> {
  private known: { readonly until: number; readonly value: Promise<T> } | null = null;

  constructor(private readonly learn: () => Promise<T>) {}

  get(): Promise<T> {
    const now = performance.now();
    if (this.known === null || now >= this.known.until) this.known = { until: now + GOOD_FOR_MS, value: this.learn() };
    return this.known.value;
  }
}
