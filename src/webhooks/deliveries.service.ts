import { Injectable } from '@nestjs/common';
import { InvalidRequest } from '../platform/app-error.js';
import { Clock } from '../platform/clock.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { concerning } from '../platform/http/audit/audit-trail.js';
import type { Page } from '../platform/http/pagination.js';
import {
  type Attempt,
  DeliveriesRepository,
  type Delivery,
  type DeliveryChoice,
  type DeliveryFilter,
} from './deliveries.repository.js';
import type { DeliveryPlace } from './domain/delivery-place.js';
import { DeliveryNotFound } from './webhooks.errors.js';

export interface Redelivered {
  readonly count: number;
  /** Where the next call goes on; null when there is nothing left. */
  readonly next: DeliveryPlace | null;
}

const AT_ONCE = 10_000;

/** What was, or is to be, sent to the receivers of a team. */
@Injectable()
export class DeliveriesService {
  constructor(
    private readonly deliveries: DeliveriesRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly clock: Clock,
  ) {}

  async list(filter: DeliveryFilter, { limit, offset }: Page): Promise<{ deliveries: Delivery[]; hasMore: boolean }> {
    const found = await this.deliveries.list(filter, { limit: limit + 1, offset });
    return { deliveries: found.slice(0, limit), hasMore: found.length > limit };
  }

  /** @throws DeliveryNotFound, also for another team's */
  async get(id: string, teamId: string): Promise<{ delivery: Delivery; tries: Attempt[] }> {
    const delivery = await this.deliveries.find(id, teamId);
    if (delivery === null) throw new DeliveryNotFound();
    return { delivery, tries: await this.deliveries.attemptsOf(id) };
  }

  /** @throws InvalidRequest when nothing says which: all that was ever sent is more than anybody means */
  async redeliverAll(filter: DeliveryFilter, after: DeliveryPlace | null): Promise<Redelivered> {
    const { teamId: _, ...conditions } = filter;
    if (Object.values(conditions).every((condition) => condition === undefined))
      throw new InvalidRequest('body', 'must name at least one of webhookId, instanceId, status, from, to');
    concerning(filter.webhookId ?? filter.instanceId ?? 'deliveries', { after: filter });
    const { count, last } = await this.redeliver({ ...filter, after }, AT_ONCE);
    return { count, next: count === AT_ONCE ? last : null };
  }

  /** Whatever became of it. @throws DeliveryNotFound */
  async redeliverOne(id: string, teamId: string): Promise<void> {
    const { count } = await this.redeliver({ teamId, id }, 1);
    if (count === 0) throw new DeliveryNotFound();
  }

  private redeliver(choice: DeliveryChoice, limit: number) {
    const now = this.clock.now();
    return this.unitOfWork.run((tx) => this.deliveries.redeliver(choice, now, limit, tx));
  }
}
