import { AppError } from '../platform/app-error.js';
import type { UserAction } from './domain/decide-request.js';
import type { Instance } from './domain/instance.js';
import { statusOf } from './domain/instance.js';

export class InstanceNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'INSTANCE_NOT_FOUND';

  constructor() {
    super('Requested instance does not exist');
  }
}

export class IllegalTransition extends AppError {
  readonly kind = 'conflict';
  readonly code = 'ILLEGAL_TRANSITION';
  override readonly details: Record<string, unknown>;

  constructor(action: UserAction, { phase }: Instance) {
    super(`The instance cannot ${action} while it is ${phase}`);
    this.details = { action, status: statusOf(phase), phase };
  }
}

/** The key has as many instances as it may have at once. */
export class OrderLimitReached extends AppError {
  readonly kind = 'conflict';
  readonly code = 'INSTANCE_LIMIT_REACHED';
  override readonly details: Record<string, unknown>;

  constructor(maxInstances: number) {
    super(`This key may have ${maxInstances} instances at once; delete one first`);
    this.details = { maxInstances };
  }
}

/** Other writers were faster several times in a row; the caller may simply ask again. */
export class InstanceBusy extends AppError {
  readonly kind = 'unavailable';
  readonly code = 'SERVICE_UNAVAILABLE';
  override readonly retryAfterSeconds = 1;

  constructor() {
    super('The instance is changing right now; try again');
  }
}
