import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Expose, Transform } from 'class-transformer';
import { IsDate } from 'class-validator';
import { NO_INSTANT, toInstant } from './is-instant.js';
import { Optional } from './optional.js';

/** An instant in the query, in ISO 8601 with a time zone. */
export function QueryTime(): PropertyDecorator {
  return applyDecorators(
    Expose(),
    Transform(({ value }: { value: unknown }) => toDate(value)),
    IsDate({ message: NO_INSTANT }),
    Optional(),
    ApiPropertyOptional({ type: String, format: 'date-time' }),
  );
}

/** Leaves what is no instant as it is, for the validator to refuse. A plus sign that was not encoded has become a space. */
function toDate(value: unknown): unknown {
  const text = typeof value === 'string' ? value.replace(/ (?=\d{2}:\d{2}$)/, '+') : '';
  return toInstant(text) ?? value;
}
