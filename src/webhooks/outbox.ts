import { Injectable } from '@nestjs/common';
import type { NewEvent } from '../events/event.js';
import type { AnyTx } from '../platform/database/statement.js';
import { Random } from '../platform/random.js';
import { OutboxRepository } from './outbox.repository.js';

/** What has to be delivered is written with the event: a crash leaves both, or neither. */
@Injectable()
export class Outbox {
  constructor(
    private readonly outbox: OutboxRepository,
    private readonly random: Random,
  ) {}

  /** One delivery for the instance's own receiver and one for each subscription that wants events of this type. */
  async add(event: NewEvent, webhookUrl: string | null, tx: AnyTx): Promise<void> {
    const { teamId, occurredAt } = event;
    if (webhookUrl !== null) {
      const id = `whe_${this.random.ulid(occurredAt)}`;
      await this.outbox.ensureInstanceEndpoint({ id, teamId, url: webhookUrl, now: occurredAt }, tx);
    }
    await this.outbox.insertDeliveries(event, webhookUrl, tx);
  }
}
