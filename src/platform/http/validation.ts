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
    // The value stays until the failures are told apart: an absent one has a single failure, that it is required.
    validationError: { target: false, value: true },
    exceptionFactory: (errors) => toInvalidRequest(errors),
  });
}

export function toInvalidRequest(errors: readonly ValidationError[]): InvalidRequest {
  const failures = errors.flatMap((error) => failuresOf(error, '')).slice(0, MAX_FAILURES);
  const [first = { field: 'body', reason: 'The request is not valid' }] = failures;
  return new InvalidRequest(first.field, first.reason, failures.length > 0 ? failures : [first]);
}

function failuresOf(error: ValidationError, parent: string): FieldFailure[] {
  const path = joined(parent, error.property);
  const own = reasonsOf(error).map((reason) => ({ field: shortened(path), reason: shortened(reason, 300) }));
  return [...own, ...(error.children ?? []).flatMap((child) => failuresOf(child, path))];
}

function reasonsOf({ constraints = {}, value }: ValidationError): string[] {
  if (UNKNOWN_FIELD in constraints) return ['This field is not known'];
  // Decorators run from the last to the first; the first one written is the most telling.
  const reasons = [...new Set(Object.values(constraints).toReversed())];
  if (value !== undefined || reasons.length === 0) return reasons;
  return [constraints['isDefined'] ?? constraints['isNotEmpty'] ?? 'This is required'];
}

function joined(parent: string, property: string): string {
  if (parent === '') return property;
  return /^\d+$/.test(property) ? `${parent}[${property}]` : `${parent}.${property}`;
}
