import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { type FieldFailure, InvalidRequest } from '../app-error.js';
import { shortened } from './text-rules.js';

const MAX_FAILURES = 50;
const UNKNOWN_FIELD = 'whitelistValidation';

/**
 * Validates bodies and queries against their DTO classes. Nothing is converted on the way: a body says its types itself,
 * and query parameters, which are all text, name their conversion (`QueryInt`).
 */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    transformOptions: { enableImplicitConversion: false },
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => toInvalidRequest(errors),
  });
}

export function toInvalidRequest(errors: readonly ValidationError[]): InvalidRequest {
  const failures = errors.flatMap((error) => failuresOf(error, '')).slice(0, MAX_FAILURES);
  const [first = { field: 'body', reason: 'The request is not valid' }] = failures;
  return new InvalidRequest(first.field, first.reason, failures.length > 0 ? failures : [first]);
}

function failuresOf(error: ValidationError, parent: string): FieldFailure[] {
  const field = joined(parent, error.property);
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    field: shortened(field),
    reason: shortened(rule === UNKNOWN_FIELD ? 'This field is not known' : message, 300),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => failuresOf(child, field))];
}

function joined(parent: string, property: string): string {
  if (parent === '') return property;
  return /^\d+$/.test(property) ? `${parent}[${property}]` : `${parent}.${property}`;
}
