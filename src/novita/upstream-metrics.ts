import { Injectable } from '@nestjs/common';
import { Counter, Histogram } from 'prom-client';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';

@Injectable()
export class UpstreamMetrics {
  private readonly durations: Histogram<'call' | 'server_address'>;
  private readonly outcomes: Counter<'call' | 'outcome'>;

  constructor({ registry }: MetricsRegistry) {
    this.durations = new Histogram({
      name: 'http_client_request_duration_seconds',
      help: 'Time of one call to the upstream, without the wait for its turn',
      labelNames: ['call', 'server_address'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    });
    this.outcomes = new Counter({
      name: 'gpusvc_upstream_calls_total',
      help: 'Calls to the upstream by outcome class',
      labelNames: ['call', 'outcome'],
      registers: [registry],
    });
  }

  startCall(call: string): (outcome: string) => void {
    const stop = this.durations.startTimer({ call, server_address: 'novita' });
    return (outcome) => {
      stop();
      this.outcomes.inc({ call, outcome });
    };
  }
}
