import { AppError } from '../../app-error.js';

export class RequestInFlight extends AppError {
  readonly kind = 'conflict';
  readonly code = 'IDEMPOTENCY_KEY_IN_FLIGHT';
  override readonly retryAfterSeconds = 1;

  constructor() {
    super('A request with this Idempotency-Key is being served right now; ask again');
  }
}

export class IdempotencyKeyReused extends AppError {
  readonly kind = 'unprocessable';
  readonly code = 'IDEMPOTENCY_KEY_REUSED';

  constructor() {
    super('This Idempotency-Key was used for another request; take a new one');
  }
}

/** Another sender of the same request was faster: nothing of this one is kept, and the other one's answer is given. */
export class AnsweredMeanwhile extends Error {}
