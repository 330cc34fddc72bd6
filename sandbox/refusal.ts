/** An answer in the error form of the upstream: `{code, reason, message, metadata}`. */
export class Refusal extends Error {
  readonly status: number;
  readonly reason: string;
  readonly metadata: Record<string, string>;

  constructor(status: number, reason: string, message: string, metadata: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.metadata = metadata;
  }

  toJson(): string {
    return JSON.stringify({
      code: this.status,
      reason: this.reason,
      message: this.message,
      metadata: this.metadata,
    });
  }
}

export function invalidParameter(message: string): Refusal {
  return new Refusal(400, 'VALIDATOR_PARAM', message);
}

/** The upstream names no reason of its own for this one; `CONFLICT` is the nearest of its table. */
export function invalidStateChange(): Refusal {
  return new Refusal(400, 'CONFLICT', 'invalid state change');
}

export function insufficientResource(): Refusal {
  return new Refusal(400, 'INSUFFICIENT_RESOURCE', 'insufficient resource, please try another cluster or product');
}

/** Get and delete answer 404 for an unknown id, all other calls 400. */
export function instanceNotFound(status: 400 | 404): Refusal {
  return new Refusal(status, 'RESOURCE_NOT_FOUND', 'instance not found');
}
