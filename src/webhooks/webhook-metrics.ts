import { Injectable } from '@nestjs/common';
import { Counter, Gauge } from 'prom-client';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { WebhookFiguresRepository } from './webhook-figures.repository.js';

export type AttemptOutcome = 'delivered' | 'retry' | 'exhausted' | 'gone' | 'probe-failed';

@Injectable()
export class WebhookMetrics {
  private readonly attempts: Counter<'outcome'>;

  constructor({ registry }: MetricsRegistry, figures: WebhookFiguresRepository) {
    const registers = [registry];
    this.attempts = new Counter({
      name: 'gpusvc_webhook_attempts_total',
      help: 'Tries to deliver a webhook, by what came of them',
      labelNames: ['outcome'],
      registers,
    });
    const oldest: Gauge = new Gauge({
      name: 'gpusvc_webhook_oldest_pending_seconds',
      help: 'Age of the oldest event that a receiver which is not switched off still waits for',
      registers,
      // While the database is away the other figures shall still be read, and an old one must not look fresh.
      collect: () =>
        figures.oldestPendingSeconds().then(
          (seconds) => oldest.set(seconds),
          () => oldest.remove(),
        ),
    });
    const endpoints: Gauge<'state'> = new Gauge({
      name: 'gpusvc_webhook_endpoints',
      help: 'Receivers by state',
      labelNames: ['state'],
      registers,
      collect: () =>
        figures.countEndpoints().then(
          (counts) => {
            endpoints.reset();
            for (const [state, count] of counts) endpoints.set({ state }, count);
          },
          () => endpoints.reset(),
        ),
    });
  }

  countAttempt(outcome: AttemptOutcome): void {
    this.attempts.inc({ outcome });
  }
}
