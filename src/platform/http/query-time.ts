import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Expose, Transform } from 'class-transformer';
import { IsDate, IsOptional } from 'class-validator';

/** With a time zone: without one, it would be whichever the server happens to be in. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})$/;

/** An instant in the query, in ISO 8601 with a time zone. */
export function QueryTime(): PropertyDecorator {
  return applyDecorators(
    Expose(),
    Transform(({ value }: { value: unknown }) => toDate(value)),
    IsDate({ message: 'must be a time such as 2026-01-15T10:30:00Z' }),
    IsOptional(),
    ApiPropertyOptional({ type: String, format: 'date-time' }),
  );
}

/** Leaves what is no instant as it is, for the validator to refuse. A plus sign that was not encoded has become a space. */
function toDate(value: unknown): unknown {
  const text = typeof value === 'string' ? value.replace(/ (?=\d{2}:\d{2}$)/, '+') : '';
  const date = INSTANT.test(text) ? new Date(text) : null;
  return date === null || Number.isNaN(date.getTime()) ? value : date;
}
