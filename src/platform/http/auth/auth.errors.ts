import { AppError } from '../../app-error.js';
import type { Scope } from './scopes.js';

/** One answer for all of it: which keys exist, or once did, is not told. */
export class AuthenticationFailed extends AppError {
  readonly kind = 'unauthenticated';
  readonly code = 'AUTHENTICATION_ERROR';

  constructor() {
    super('Invalid or missing API key');
  }
}

export class ScopeMissing extends AppError {
  readonly kind = 'forbidden';
  readonly code = 'INSUFFICIENT_SCOPE';
  override readonly details: Record<string, unknown>;

  constructor(required: Scope) {
    super(`This needs a key with the scope ${required}`);
    this.details = { required };
  }
}

export class TooManyFailures extends AppError {
  readonly kind = 'rate-limited';
  readonly code = 'RATE_LIMIT_EXCEEDED';

  constructor(override readonly retryAfterSeconds: number) {
    super('Too many requests with an invalid API key');
  }
}
