import { AppError } from '../platform/app-error.js';

/** What stood after the cursor has been removed with age: going on from it would skip events without a word. */
export class CursorExpired extends AppError {
  readonly kind = 'gone';
  readonly code = 'EVENTS_EXPIRED';

  constructor() {
    super('Events after this cursor are older than the log keeps them; read again without a cursor');
  }
}

export class TooManyStreams extends AppError {
  readonly kind = 'unavailable';
  readonly code = 'SERVICE_UNAVAILABLE';
  override readonly retryAfterSeconds = 5;

  constructor() {
    super('This replica has no room for another event stream right now');
  }
}
