import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Clock } from '../platform/clock.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { deliverWebhooks } from './webhooks.jobs.js';
import { WebhooksRepository } from './webhooks.repository.js';

const LOOK_FOR_DUE_EVERY_MS = 1000;
const AT_ONCE = 500;

@Injectable()
export class WebhooksSchedule {
  private readonly logger = new Logger(WebhooksSchedule.name);

  constructor(
    private readonly webhooks: WebhooksRepository,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
  ) {}

  @Interval(LOOK_FOR_DUE_EVERY_MS)
  async wakeDueDeliveries(): Promise<void> {
    try {
      const endpointIds = await this.webhooks.listDueEndpointIds(this.clock.now(), AT_ONCE);
      await this.jobs.enqueueAll(
        deliverWebhooks,
        endpointIds.map((endpointId) => ({ endpointId })),
      );
    } catch (error) {
      this.logger.warn({ err: error }, 'a tick failed; the next one does its work');
    }
  }
}
