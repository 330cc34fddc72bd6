import { applyDecorators, UseInterceptors } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { ApiErrors } from '../openapi.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';

/**
 * An operation that heeds Idempotency-Key. It must hand its answer to `@CurrentAnswering()`'s `keep` in the transaction of its
 * effect; what it returns has to be the same.
 */
export function Idempotent(): MethodDecorator {
  return applyDecorators(
    UseInterceptors(IdempotencyInterceptor),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Makes it safe to send the request again: for 72 hours the same key gets the same answer, with `Idempotency-Replayed: true`',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    }),
    ApiErrors(409, 422),
  );
}
