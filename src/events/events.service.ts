import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InvalidRequest } from '../platform/app-error.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { Caller } from '../platform/http/caller.js';
import { type EventCursor, isAfter, parseCursor } from './domain/cursor.js';
import type { EventType, NewEvent, RecordedEvent } from './event.js';
import { CursorExpired } from './events.errors.js';
import { type EventPage, EventsRepository } from './events.repository.js';

const BEGINNING: EventCursor = { txId: 0n, position: 0n };

export interface EventQuery {
  /** Null: from the oldest event that is kept. */
  readonly after: EventCursor | null;
  readonly types: readonly EventType[] | null;
  readonly limit: number;
}

/** The append-only log of what happened to instances. */
@Injectable()
export class EventsService implements OnModuleInit {
  constructor(private readonly events: EventsRepository) {}

  async onModuleInit(): Promise<void> {
    await this.events.settleClock();
  }

  /** Written with the change it tells of: both are there, or neither. */
  async record(event: NewEvent, tx: Tx): Promise<void> {
    await this.events.insert(event, tx);
  }

  async list({ after, types, limit }: EventQuery, caller: Caller): Promise<EventPage> {
    return this.events.listAfter(after ?? BEGINNING, { teamId: caller.teamId, types }, limit);
  }

  async listOfInstance(instanceId: string, afterSequence: number, limit: number): Promise<RecordedEvent[]> {
    return this.events.listOfInstance(instanceId, afterSequence, limit);
  }

  /** @throws InvalidRequest for what is no cursor, CursorExpired when events after it have been removed with age */
  async readCursor(text: string, field: string): Promise<EventCursor> {
    const cursor = parseCursor(text);
    const [end, sweptTo] = await Promise.all([this.events.end(), this.events.sweptTo()]);
    if (cursor === null || cursor.txId > end.txId)
      throw new InvalidRequest(field, 'must be a cursor that was given here');
    if (sweptTo !== null && isAfter(sweptTo, cursor)) throw new CursorExpired();
    return cursor;
  }
}
