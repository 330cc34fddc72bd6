import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Notifications } from '../platform/database/notifications.js';
import { type EventCursor, encodeCursor, isAfter } from './domain/cursor.js';
import type { RecordedEvent } from './event.js';
import { toEventDto } from './events.dto.js';
import { EventsRepository } from './events.repository.js';

/** One event and its text, made once for all who read it. */
export interface TailEntry {
  readonly event: RecordedEvent;
  readonly text: string;
}

export type TailListener = (entries: readonly TailEntry[], position: EventCursor) => void;

export const EVENTS_CHANNEL = 'events';

const PAGE = 500;
const KEPT = 2_000;
/** A burst of commits is read in a few steps and not in one for each. */
const READ_AT_MOST_EVERY_MS = 10;
const UNSETTLED_RETRY_MS = 25;
const LOOK_ANYWAY_EVERY_MS = 1_000;
const LOOK_WHILE_DEAF_EVERY_MS = 250;

/** Reads the end of the log once for all streams of this replica; it rests while there are none. */
@Injectable()
export class EventTail implements OnModuleInit {
  private readonly logger = new Logger(EventTail.name);
  private readonly listeners = new Set<TailListener>();
  private recent: TailEntry[] = [];
  /** Everything after this place and up to `position` is in `recent`. */
  private recentFrom: EventCursor | null = null;
  private reached: EventCursor | null = null;
  private starting: Promise<EventCursor> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private isReading = false;
  private isAskedAgain = false;

  constructor(
    private readonly events: EventsRepository,
    private readonly notifications: Notifications,
  ) {}

  onModuleInit(): void {
    this.notifications.on(EVENTS_CHANNEL, () => this.wake());
  }

  /** How far the log was read; null while nobody listens. */
  get position(): EventCursor | null {
    return this.reached;
  }

  /** @returns where the listener's first entries begin. */
  async listen(listener: TailListener): Promise<EventCursor> {
    this.listeners.add(listener);
    this.starting ??= this.events.end();
    try {
      const start = await this.starting;
      if (this.reached === null) this.start(start);
      return this.reached ?? start;
    } catch (error) {
      this.starting = null;
      this.listeners.delete(listener);
      throw error;
    }
  }

  ignore(listener: TailListener): void {
    this.listeners.delete(listener);
    if (this.listeners.size > 0) return;
    clearTimeout(this.timer);
    [this.reached, this.recentFrom, this.starting, this.recent] = [null, null, null, []];
  }

  /** What came after a place that lies not far back; null when it is too far for memory. */
  since(cursor: EventCursor): readonly TailEntry[] | null {
    if (this.recentFrom === null || isAfter(this.recentFrom, cursor)) return null;
    return this.recent.filter(({ event }) => isAfter(event.cursor, cursor));
  }

  private start(position: EventCursor): void {
    this.reached = position;
    this.recentFrom = position;
    this.schedule(0);
  }

  private wake(): void {
    if (this.reached === null) return;
    if (this.isReading) this.isAskedAgain = true;
    else this.schedule(0);
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.read(), delayMs);
  }

  private async read(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    this.isAskedAgain = false;
    let nextInMs = this.notifications.isListening ? LOOK_ANYWAY_EVERY_MS : LOOK_WHILE_DEAF_EVERY_MS;
    try {
      if (await this.readPage()) nextInMs = UNSETTLED_RETRY_MS;
    } catch (error) {
      this.logger.warn({ err: error }, 'the log could not be read; the next look tries again');
    }
    this.isReading = false;
    if (this.reached !== null) this.schedule(this.isAskedAgain ? READ_AT_MOST_EVERY_MS : nextInMs);
  }

  /** @returns whether there is more that will be final soon. */
  private async readPage(): Promise<boolean> {
    const from = this.reached;
    if (from === null) return false;
    const page = await this.events.listAfter(from, { teamId: null, types: null }, PAGE);
    // Everybody left meanwhile, and perhaps somebody came: what was read belongs to the former tail.
    if (this.reached !== from) return true;
    const entries = page.events.map(toEntry);
    this.reached = page.next;
    this.keep(entries);
    for (const listener of this.listeners) listener(entries, page.next);
    if (page.hasMore) this.isAskedAgain = true;
    return page.isUnsettled;
  }

  private keep(entries: readonly TailEntry[]): void {
    this.recent.push(...entries);
    const surplus = this.recent.length - KEPT;
    if (surplus <= 0) return;
    this.recentFrom = this.recent[surplus - 1]?.event.cursor ?? this.reached;
    this.recent = this.recent.slice(surplus);
  }
}

export function toEntry(event: RecordedEvent): TailEntry {
  return { event, text: `id: ${encodeCursor(event.cursor)}\ndata: ${JSON.stringify(toEventDto(event))}\n\n` };
}
