import { type BeforeApplicationShutdown, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { groupBy } from '../platform/group-by.js';
import type { Caller } from '../platform/http/caller.js';
import { type EventCursor, isAfter } from './domain/cursor.js';
import type { EventType } from './event.js';
import { EventReader, type Permission } from './event-reader.js';
import { EventTail, type TailEntry, toEntry } from './event-tail.js';
import { TooManyStreams } from './events.errors.js';
import { EventsRepository } from './events.repository.js';

const MAX_STREAMS = 10_000;
const BEAT_EVERY_MS = 15_000;
/** Together with the time for which keys are remembered, it keeps within the 5 s in which a revoked key must end. */
const ASK_FOR_PERMISSION_EVERY_MS = 2_000;
const CATCH_UP_PAGE = 200;
/** A restarted neighbour sends all its readers at once; they must not take every database connection. */
const CATCH_UPS_AT_ONCE = 3;

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // nginx would hold events back until its buffer is full.
  'x-accel-buffering': 'no',
};

export interface StreamRequest {
  /** Null: from now on. */
  readonly after: EventCursor | null;
  readonly types: readonly EventType[] | null;
}

/** The open Server-Sent-Events streams of this replica, all of them fed by one reader of the log. */
@Injectable()
export class EventStreams implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger(EventStreams.name);
  private readonly readers = new Set<EventReader>();
  private readonly waiting: EventReader[] = [];
  /** Those that wait for the log to say where it ends: they need the tail as well. */
  private opening = 0;
  private catchingUp = 0;
  private heart: NodeJS.Timeout | undefined;
  private usher: NodeJS.Timeout | undefined;
  private isClosing = false;

  constructor(
    private readonly tail: EventTail,
    private readonly events: EventsRepository,
  ) {}

  /** Takes the connection over. @throws TooManyStreams while nothing was written yet. */
  async open(
    response: ServerResponse,
    { after, types }: StreamRequest,
    caller: Caller,
    permission: Permission | null = null,
  ): Promise<void> {
    if (this.isClosing || this.readers.size + this.opening >= MAX_STREAMS) throw new TooManyStreams();
    if (response.req.method === 'HEAD') return void response.writeHead(200, HEADERS).end();
    const reader = await this.join((end) => new EventReader(response, caller.teamId, types, after ?? end, permission));
    response.once('close', () => this.forget(reader));
    // The client may have gone while the log was asked for its end.
    if (response.destroyed) return this.forget(reader);
    if (this.isClosing) {
      this.forget(reader);
      throw new TooManyStreams();
    }
    this.heart ??= setInterval(() => this.beat(), BEAT_EVERY_MS);
    this.usher ??= setInterval(() => void this.endUnwelcome(), ASK_FOR_PERMISSION_EVERY_MS);
    reader.open(HEADERS);
    this.enqueue(reader);
  }

  onModuleDestroy(): void {
    this.isClosing = true;
  }

  // Before the HTTP server closes, which waits for every answer that is under way.
  beforeApplicationShutdown(): void {
    this.stopTimers();
    for (const reader of this.readers) reader.end();
  }

  private readonly feed = (entries: readonly TailEntry[], position: EventCursor): void => {
    for (const reader of this.readers) {
      if (!reader.isLive) continue;
      if (giveAll(reader, entries)) reader.moveTo(position);
      else this.waitFor(reader);
    }
  };

  private beat(): void {
    for (const reader of this.readers) reader.beat();
  }

  private async join(makeReader: (end: EventCursor) => EventReader): Promise<EventReader> {
    this.opening += 1;
    try {
      const reader = makeReader(await this.tail.listen(this.feed));
      this.readers.add(reader);
      return reader;
    } finally {
      this.opening -= 1;
    }
  }

  private forget(reader: EventReader): void {
    this.readers.delete(reader);
    if (this.readers.size + this.opening > 0) return;
    this.stopTimers();
    this.tail.ignore(this.feed);
  }

  private stopTimers(): void {
    clearInterval(this.heart);
    clearInterval(this.usher);
    [this.heart, this.usher] = [undefined, undefined];
  }

  /** One question for each key, however many streams it has; while keys cannot be looked up, nobody is sent away. */
  private async endUnwelcome(): Promise<void> {
    const byKey = groupBy([...this.readers], ({ permission }) => permission?.keyId ?? '');
    const asked = [...byKey.values()].map(async (readers) => {
      const isWelcome = (await readers[0]?.permission?.isStillWelcome().catch(() => true)) ?? true;
      if (!isWelcome) for (const reader of readers) reader.end();
    });
    await Promise.all(asked);
  }

  private enqueue(reader: EventReader): void {
    this.waiting.push(reader);
    this.catchUpNext();
  }

  private catchUpNext(): void {
    if (this.catchingUp >= CATCH_UPS_AT_ONCE) return;
    const reader = this.waiting.shift();
    if (reader === undefined) return;
    this.catchingUp += 1;
    this.catchUp(reader)
      .catch((error: unknown) => {
        this.logger.warn({ err: error }, 'a stream could not be brought up to date; its client comes back');
        reader.cut();
      })
      .finally(() => {
        this.catchingUp -= 1;
        this.catchUpNext();
      });
  }

  /** One step from the log, or the last one from memory, which is made between two looks of the tail. */
  private async catchUp(reader: EventReader): Promise<void> {
    if (!reader.isOpen) return;
    if (!this.joins(reader)) {
      const filter = { teamId: reader.teamId, types: reader.types };
      const from = reader.position;
      const page = await this.events.listAfter(from, filter, CATCH_UP_PAGE);
      const sweptTo = await this.events.sweptTo();
      // Its client comes back with this place, and is told that what stood after it is gone.
      if (sweptTo !== null && isAfter(sweptTo, from)) return reader.cut();
      if (giveAll(reader, page.events.map(toEntry))) reader.moveTo(page.next);
    }
    if (!reader.isLive) this.waitFor(reader);
  }

  /** Until the client has taken what it was given; nobody else waits for it. */
  private waitFor(reader: EventReader): void {
    reader.isLive = false;
    void reader.drained().then((isOpen) => isOpen && this.enqueue(reader));
  }

  /** False when memory does not reach back as far as the reader is. */
  private joins(reader: EventReader): boolean {
    const { position } = this.tail;
    if (position === null) return false;
    const entries = isAfter(position, reader.position) ? this.tail.since(reader.position) : [];
    if (entries === null) return false;
    if (giveAll(reader, entries)) {
      reader.moveTo(position);
      reader.isLive = true;
    }
    return true;
  }
}

/** False when the client cannot take them all at once. */
function giveAll(reader: EventReader, entries: readonly TailEntry[]): boolean {
  for (const entry of entries) {
    if (reader.isFull) return false;
    reader.give(entry);
  }
  return true;
}
