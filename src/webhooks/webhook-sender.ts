import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { HandlesJob } from '../platform/jobs/handles-job.js';
import { Random } from '../platform/random.js';
import { workSignals } from '../platform/telemetry/work-signals.js';
import type { Outcome } from './domain/outcome.js';
import { decideAfterAttempt } from './domain/retry-schedule.js';
import { sign } from './domain/signature.js';
import { GuardedHttp } from './guarded-http.js';
import { deliverWebhooks } from './webhooks.jobs.js';
import { type ClaimedDelivery, type DeliveryResult, WebhooksRepository } from './webhooks.repository.js';

const LEASE_MS = 60_000;
const AT_ONCE = 4;

/** Sends what the outbox holds for one receiver, each instance's events in their order. */
@Injectable()
export class WebhookSender {
  private readonly logger = new Logger(WebhookSender.name);

  constructor(
    private readonly webhooks: WebhooksRepository,
    private readonly http: GuardedHttp,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {}

  @HandlesJob(deliverWebhooks)
  async deliver({ endpointId }: { endpointId: string }): Promise<void> {
    for (;;) {
      const claim = { now: this.clock.now(), token: this.random.token(), leaseMs: LEASE_MS, limit: AT_ONCE };
      const deliveries = await this.webhooks.claimDue(endpointId, claim);
      if (deliveries.length === 0) return;
      await Promise.all(deliveries.map((delivery) => this.send(delivery)));
    }
  }

  private async send(delivery: ClaimedDelivery): Promise<void> {
    const sentAt = this.clock.now();
    const body = Buffer.from(delivery.body, 'utf8');
    const secret = this.settings.webhookSecret;
    const signature =
      secret === null ? { 'webhook-id': delivery.eventId } : sign({ id: delivery.eventId, sentAt, body }, [secret]);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'novita-gpu-instances/1.0',
      ...signature,
      'webhook-sequence': String(delivery.sequence),
      'webhook-attempt': String(delivery.attempts),
    };
    const outcome = await this.http.post(delivery.url, { headers, body });
    const result = this.judge(delivery, outcome);
    this.logger.log(
      { eventId: delivery.eventId, instanceId: delivery.instanceId, attempt: delivery.attempts, ...summary(outcome) },
      'webhook attempt',
    );
    workSignals.webhookAttempted.tell({ outcome: labelOf(outcome) });
    if (!(await this.webhooks.recordResult(delivery, result))) workSignals.overtaken.tell({ record: 'delivery' });
  }

  private judge(delivery: ClaimedDelivery, outcome: Outcome): DeliveryResult {
    const now = this.clock.now();
    const facts = { outcome, tries: delivery.attempts, earlierClientErrors: 0, isProbe: false };
    const verdict = decideAfterAttempt(facts, now, this.random.fraction());
    const seen = { lastStatus: outcome.kind === 'answered' ? outcome.status : null };
    if (verdict.kind === 'delivered')
      return { ...seen, state: 'delivered', nextAttemptAt: null, deliveredAt: now, lastClass: null };
    const failure = { ...seen, deliveredAt: null, lastClass: verdict.because };
    return verdict.kind === 'retry'
      ? { ...failure, state: 'pending', nextAttemptAt: verdict.at }
      : { ...failure, state: 'failed', nextAttemptAt: null };
  }
}

/** `2xx` and so on when there was an answer. */
function labelOf(outcome: Outcome): string {
  if (outcome.kind === 'answered') return `${Math.floor(outcome.status / 100)}xx`;
  return outcome.kind === 'refused' ? 'refused' : outcome.class;
}

function summary(outcome: Outcome): Record<string, unknown> {
  if (outcome.kind === 'answered') return { status: outcome.status, durationMs: outcome.durationMs };
  return outcome.kind === 'refused'
    ? { refused: outcome.because }
    : { failed: outcome.class, durationMs: outcome.durationMs };
}
