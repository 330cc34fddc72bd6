import { SetMetadata } from '@nestjs/common';
import type { Job } from './job.js';

export const HANDLES_JOB = Symbol('handles-job');

/** Marks the provider's method that does the work of `job`; it takes the payload. */
export function HandlesJob<P extends object>(job: Job<P>): MethodDecorator {
  return SetMetadata(HANDLES_JOB, job);
}
