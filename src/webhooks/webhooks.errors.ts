import { AppError } from '../platform/app-error.js';

export class WebhookNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'WEBHOOK_NOT_FOUND';

  constructor() {
    super('Requested webhook does not exist');
  }
}

export class DeliveryNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'DELIVERY_NOT_FOUND';

  constructor() {
    super('Requested delivery does not exist');
  }
}

export class TooManyWebhooks extends AppError {
  readonly kind = 'conflict';
  readonly code = 'WEBHOOK_LIMIT_REACHED';

  constructor(limit: number) {
    super(`There are ${limit} webhooks already; delete one first`);
  }
}

/** The receiver comes from the webhookUrl of instances: only its being switched on or off can be changed here. */
export class WebhookOfInstances extends AppError {
  readonly kind = 'conflict';
  readonly code = 'WEBHOOK_OF_INSTANCES';

  constructor() {
    super('This receiver comes from the webhookUrl of instances; it can only be enabled or disabled here');
  }
}
