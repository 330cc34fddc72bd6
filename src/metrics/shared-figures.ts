import { Injectable, Logger } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MOVES, type Phase, statusOf } from '../instances/domain/instance.js';
import { CallBudget, type UpstreamHealth } from '../novita/call-budget.js';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { VERSION } from '../platform/version.js';
import { type Figures, FiguresRepository } from './figures.repository.js';

/** Several scrapers at once cost the database one reading. */
const GOOD_FOR_MS = 1000;
const PHASES = (Object.keys(MOVES) as Phase[]).filter((phase) => phase !== 'deleted');
const PLACEMENT_STATES = ['intended', 'confirmed', 'retiring'];

/**
 * Figures of the whole installation, read from the database at each scrape: every replica reports the same, so dashboards take
 * `max`, never `sum`. While the database is away they are absent, and `gpusvc_database_up` says why.
 */
@Injectable()
export class SharedFigures {
  private readonly logger = new Logger(SharedFigures.name);
  private readonly gauges = new Map<string, Gauge>();
  private readonly instances: Gauge<'status' | 'phase'>;
  private readonly placements: Gauge<'state'>;
  private readonly endpoints: Gauge<'state'>;
  private readonly spend: Counter;
  private readonly databaseUp: Gauge;
  private reading: { readonly until: number; readonly done: Promise<void> } | null = null;

  constructor(
    private readonly figures: FiguresRepository,
    private readonly budget: CallBudget,
    { registry }: MetricsRegistry,
  ) {
    const registers = [registry];
    const name = (rest: string) => `gpusvc_${rest}`;
    for (const [rest, help] of Object.entries(HELP))
      this.gauges.set(rest, new Gauge({ name: name(rest), help, registers }));
    this.instances = new Gauge({
      name: name('instances'),
      help: 'Instances that are not deleted',
      labelNames: ['status', 'phase'],
      registers,
    });
    this.placements = new Gauge({
      name: name('placements'),
      help: 'Machines that exist upstream, may come to exist, or are being deleted',
      labelNames: ['state'],
      registers,
    });
    this.endpoints = new Gauge({
      name: name('webhook_endpoints'),
      help: 'Webhook receivers',
      labelNames: ['state'],
      registers,
    });
    this.spend = new Counter({
      name: name('upstream_spend_usd_total'),
      help: 'What all machines have cost at most, by their price and time; hours in which they stood stopped are not taken off',
      registers,
    });
    this.databaseUp = new Gauge({ name: name('database_up'), help: 'Whether the figures could be read', registers });
    new Gauge({ name: name('build_info'), help: 'Always 1', labelNames: ['version'], registers }).set(
      { version: VERSION },
      1,
    );
  }

  /** Brings the gauges up to date; never throws, so that the process's own figures are there while the database is not. */
  refresh(): Promise<void> {
    const now = performance.now();
    if (this.reading === null || now >= this.reading.until)
      this.reading = { until: now + GOOD_FOR_MS, done: this.read() };
    return this.reading.done;
  }

  private async read(): Promise<void> {
    try {
      const { figures, budget } = this;
      const [all, upstream, phases, placements, endpoints] = await Promise.all([
        figures.read(),
        budget.health(),
        figures.countPhases(),
        figures.countPlacements(),
        figures.countEndpoints(),
      ]);
      this.show(all, upstream);
      this.instances.reset();
      for (const phase of PHASES) this.instances.set({ status: statusOf(phase), phase }, phases.get(phase) ?? 0);
      for (const state of PLACEMENT_STATES) this.placements.set({ state }, placements.get(state) ?? 0);
      this.endpoints.reset();
      for (const [state, count] of endpoints) this.endpoints.set({ state }, count);
      this.databaseUp.set(1);
    } catch (error) {
      this.logger.warn({ err: error }, 'the figures cannot be read from the database');
      this.forget();
    }
  }

  private show(figures: Figures, upstream: UpstreamHealth): void {
    this.set('workflow_oldest_due_seconds', figures.oldestDueSeconds);
    this.set('webhook_oldest_pending_seconds', figures.oldestPendingWebhookSeconds);
    this.set('webhook_deliveries_pending', figures.pendingWebhooks);
    this.set('retirements_failing', figures.retirementsFailing);
    this.set('orphans_known', figures.orphansKnown);
    this.set('observer_machines_seen', figures.machinesSeen);
    this.set('observer_last_sweep_age_seconds', figures.lastSweepAgeSeconds);
    this.set('upstream_circuit_open', upstream.isOpen ? 1 : 0);
    this.set('upstream_consecutive_failures', upstream.consecutiveFailures);
    this.spend.remove();
    this.spend.inc(figures.spendUsd);
  }

  /** An old figure that looks fresh would hide an outage. */
  private forget(): void {
    for (const gauge of this.gauges.values()) gauge.remove();
    // A counter that falls to 0 and comes back would count all of it once more.
    this.spend.remove();
    this.instances.reset();
    this.placements.reset();
    this.endpoints.reset();
    this.databaseUp.set(0);
  }

  private set(name: keyof typeof HELP, value: number | null): void {
    const gauge = this.gauges.get(name);
    if (value === null) gauge?.remove();
    else gauge?.set(value);
  }
}

const HELP = {
  workflow_oldest_due_seconds: 'For how long the oldest due work waits; more than a few polls: nobody does it',
  webhook_oldest_pending_seconds: 'Age of the oldest event that a receiver has not taken yet',
  webhook_deliveries_pending: 'Events that wait for a receiver',
  retirements_failing: 'Machines whose delete was sent three times and more and that still exist: they bill',
  orphans_known: 'Machines under our names that no row claims and that are not removed yet',
  observer_machines_seen: 'Machines in the last complete listing',
  observer_last_sweep_age_seconds: 'Time since the last complete listing of the machines upstream',
  upstream_circuit_open: '1 while no calls are sent upstream because it fails',
  upstream_consecutive_failures: 'Calls upstream that failed in a row, over all replicas',
};
