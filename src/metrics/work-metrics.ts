import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Counter, Histogram } from 'prom-client';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { workSignals } from '../platform/telemetry/work-signals.js';

const PROVISIONING_BUCKETS_SECONDS = [10, 30, 60, 120, 180, 300, 600, 1200, 3600];
const MIGRATION_OUTCOMES: Readonly<Record<string, string>> = {
  'instance.migrated': 'migrated',
  'instance.migration_failed': 'failed',
};

/** What this replica did in the background; added up over the replicas. */
@Injectable()
export class WorkMetrics implements OnApplicationShutdown {
  private readonly stops: (() => void)[];

  constructor({ registry }: MetricsRegistry) {
    const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
      new Counter<L>({ name: `gpusvc_${name}`, help, labelNames, registers: [registry] });
    const steps = counter('workflow_step_total', 'Steps of the lifecycle by what came of them', ['step', 'outcome']);
    const leases = counter('leases_lost_total', 'Leases that ended in the hands of this replica', ['lease']);
    const rejects = counter('fencing_rejects_total', 'Results dropped because a fresher writer was there', ['record']);
    const events = counter('instance_events_total', 'What happened to instances', ['type']);
    const migrations = counter('spot_migrations_total', 'Moves of spot instances by their outcome', ['outcome']);
    const provisioning = new Histogram({
      name: 'gpusvc_instance_provision_duration_seconds',
      help: 'Time from the order of an instance to its being ready',
      buckets: PROVISIONING_BUCKETS_SECONDS,
      registers: [registry],
    });
    for (const outcome of Object.values(MIGRATION_OUTCOMES)) migrations.inc({ outcome }, 0);
    this.stops = [
      workSignals.stepTaken.listen((labels) => steps.inc(labels)),
      workSignals.leaseLost.listen((labels) => leases.inc(labels)),
      workSignals.overtaken.listen((labels) => rejects.inc(labels)),
      workSignals.instanceReady.listen(({ afterMs }) => provisioning.observe(afterMs / 1000)),
      workSignals.eventRecorded.listen(({ type }) => {
        events.inc({ type });
        const outcome = MIGRATION_OUTCOMES[type];
        if (outcome !== undefined) migrations.inc({ outcome });
      }),
    ];
  }

  onApplicationShutdown(): void {
    for (const stop of this.stops) stop();
  }
}
