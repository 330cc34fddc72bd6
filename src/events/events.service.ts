import { Injectable } from '@nestjs/common';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { NewEvent } from './event.js';
import { EventsRepository } from './events.repository.js';

/** The append-only log of what happened to instances. */
@Injectable()
export class EventsService {
  constructor(private readonly events: EventsRepository) {}

  /** Written with the change it tells of: both are there, or neither. */
  async record(event: NewEvent, tx: Tx): Promise<void> {
    await this.events.insert(event, tx);
  }
}
