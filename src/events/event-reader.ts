import type { ServerResponse } from 'node:http';
import { type EventCursor, encodeCursor, isAfter } from './domain/cursor.js';
import type { EventType } from './event.js';
import type { TailEntry } from './event-tail.js';

/** A reader that takes nothing for so long is cut off; it comes back with its Last-Event-ID. */
const MAX_STALL_MS = 10_000;

/** By which key it is read. A stream lasts longer than some keys. */
export interface Permission {
  /** Null for a caller without a key. */
  readonly keyId: string | null;
  isStillWelcome(): Promise<boolean>;
}

/** One open stream: where it is in the log, and the connection it writes to. */
export class EventReader {
  /** Fed by the tail; otherwise it reads from the log by itself. */
  isLive = false;

  constructor(
    private readonly response: ServerResponse,
    readonly teamId: string,
    readonly types: readonly EventType[] | null,
    public position: EventCursor,
    readonly permission: Permission | null,
  ) {}

  get isOpen(): boolean {
    return !this.response.writableEnded && !this.response.destroyed;
  }

  /** What lies waiting for the client is never more than a few events beyond this. */
  get isFull(): boolean {
    return this.response.writableNeedDrain;
  }

  /** Tells the client where it is, so that it comes back to this place even when nothing has happened yet. */
  open(headers: Record<string, string>): void {
    this.response.writeHead(200, headers);
    this.write(`retry: 1000\nid: ${encodeCursor(this.position)}\n\n`);
  }

  give({ event, text }: TailEntry): void {
    if (!isAfter(event.cursor, this.position)) return;
    this.position = event.cursor;
    if (event.teamId !== this.teamId) return;
    if (this.types === null || this.types.includes(event.type)) this.write(text);
  }

  /** Everything up to here was offered. */
  moveTo(position: EventCursor): void {
    if (isAfter(position, this.position)) this.position = position;
  }

  beat(): void {
    if (!this.isFull) this.write(`:\nid: ${encodeCursor(this.position)}\n\n`);
  }

  /** Resolves when the client has taken what was written; false when it is gone or takes too long. */
  async drained(): Promise<boolean> {
    if (!this.response.writableNeedDrain) return this.isOpen;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, MAX_STALL_MS);
      const { response } = this;
      response.once('drain', done).once('close', done);
      function done(): void {
        clearTimeout(timer);
        response.off('drain', done).off('close', done);
        resolve();
      }
    });
    if (this.response.writableNeedDrain) this.cut();
    return this.isOpen;
  }

  end(): void {
    if (this.isOpen) this.response.end();
  }

  cut(): void {
    this.response.destroy();
  }

  private write(text: string): void {
    if (this.isOpen) this.response.write(text);
  }
}
