/** What went wrong, in words that no transport owns. Only the error filter turns a kind into an HTTP status. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'gone'
  | 'too-large'
  | 'unsupported-media'
  | 'unprocessable'
  | 'rate-limited'
  | 'upstream'
  | 'unavailable'
  | 'internal';

/** A failure that a caller may be told about: its code, message and details are all public. */
export abstract class AppError extends Error {
  abstract readonly kind: ErrorKind;
  abstract readonly code: string;
  declare readonly details?: Record<string, unknown> | undefined;
  declare readonly retryAfterSeconds?: number | undefined;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** One reason why a request was refused; `field` is a path such as `envs[0].key`, or `body`, `query`, `path`, `headers`. */
export interface FieldFailure {
  field: string;
  reason: string;
}

export class InvalidRequest extends AppError {
  readonly kind = 'invalid';
  readonly code = 'VALIDATION_ERROR';
  override readonly details: Record<string, unknown>;

  /** @param failures every failure when there were several; the first one is what `field` and `reason` say. */
  constructor(field: string, reason: string, failures: readonly FieldFailure[] = [{ field, reason }]) {
    super('Invalid request parameters');
    this.details = { field, reason, failures };
  }
}
