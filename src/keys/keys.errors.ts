import { AppError } from '../platform/app-error.js';

export class KeyNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'KEY_NOT_FOUND';

  constructor() {
    super('Requested key does not exist');
  }
}

export class KeyNotUsable extends AppError {
  readonly kind = 'conflict';
  readonly code = 'KEY_NOT_USABLE';

  constructor() {
    super('A revoked or expired key cannot be rotated; make a new one');
  }
}

/** Whoever ends it could never get in again. */
export class LastAdminKey extends AppError {
  readonly kind = 'conflict';
  readonly code = 'LAST_ADMIN_KEY';

  constructor() {
    super('This is the last key with the scope admin; make another one first');
  }
}
