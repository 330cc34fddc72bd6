import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../events/event.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { Random } from '../platform/random.js';
import { WebhooksRepository } from './webhooks.repository.js';
import { deliverWebhooks } from './webhooks.jobs.js';

/** What has to be delivered is written with the event: a crash leaves both, or neither. */
@Injectable()
export class Outbox {
  constructor(
    private readonly webhooks: WebhooksRepository,
    private readonly jobs: Jobs,
    private readonly random: Random,
  ) {}

  async add(event: NewEvent, webhookUrl: string | null, tx: Tx): Promise<void> {
    if (webhookUrl === null) return;
    const now = event.occurredAt;
    const endpointId = await this.webhooks.inlineEndpoint(
      { id: `whe_${this.random.ulid(now)}`, teamId: event.teamId, url: webhookUrl, now },
      tx,
    );
    await this.webhooks.insertDelivery({ id: `dlv_${this.random.ulid(now)}`, event, endpointId }, tx);
    await this.jobs.enqueue(deliverWebhooks, { endpointId }, tx);
  }
}
