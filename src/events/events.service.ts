import { Injectable, type OnModuleInit } from '@nestjs/common';
import { InvalidRequest } from '../platform/app-error.js';
import type { AnyTx } from '../platform/database/statement.js';
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
  async record(event: NewEvent, tx: AnyTx): Promise<void> {
    await this.events.insert(event, tx);
  }

  /** @throws CursorExpired when events after the place are removed with age, also while this reads */
  async list({ after, types, limit }: EventQuery, caller: Caller): Promise<EventPage> {
    const page = await this.events.listAfter(after ?? BEGINNING, { teamId: caller.teamId, types }, limit);
    if (after !== null) await this.requireKept(after);
    return page;
  }

  async listOfInstance(instanceId: string, afterSequence: number, limit: number): Promise<RecordedEvent[]> {
    return this.events.listOfInstance(instanceId, afterSequence, limit);
  }

  /** @throws InvalidRequest for what is no cursor, CursorExpired when events after it have been removed with age */
  async readCursor(text: string, field: string): Promise<EventCursor> {
    const cursor = parseCursor(text);
    const end = await this.events.end();
    if (cursor === null || cursor.txId > end.txId)
      throw new InvalidRequest(field, 'must be a cursor that was given here');
    await this.requireKept(cursor);
    return cursor;
  }

  private async requireKept(cursor: EventCursor): Promise<void> {
    const sweptTo = await this.events.sweptTo();
    if (sweptTo !== null && isAfter(sweptTo, cursor)) throw new CursorExpired();
  }
}
