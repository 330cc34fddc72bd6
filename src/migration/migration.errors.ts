import { AppError } from '../platform/app-error.js';

export class MigrationJobConflict extends AppError {
  readonly kind = 'conflict';
  readonly code = 'MIGRATION_JOB_CONFLICT';
  override readonly details: Record<string, unknown> | undefined;

  constructor(jobId: string | null) {
    super('Migration job already in progress');
    this.details = jobId === null ? undefined : { jobId };
  }
}

export class MigrationJobNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'MIGRATION_JOB_NOT_FOUND';

  constructor() {
    super('There is no migration job with this id');
  }
}
