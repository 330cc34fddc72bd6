import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Expose, Transform } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

export interface QueryIntOptions {
  min: number;
  max: number;
  /** Used when the parameter is absent. Without it, and unless `optional`, the parameter is required. */
  default?: number;
  optional?: boolean;
  description?: string;
}

// The one spelling of a whole number: no sign for zero, no leading zeros, no fraction, no exponent, no spaces.
const WHOLE_NUMBER = /^(?:0|-?[1-9]\d{0,14})$/;

/** A whole number in the query, in its plain spelling only: `limit=`, `limit=1.0` and `limit=+1` are refused. */
export function QueryInt(options: QueryIntOptions): PropertyDecorator {
  const { min, max, default: fallback, description } = options;
  const required = fallback === undefined && options.optional !== true;
  return applyDecorators(
    Expose(),
    Transform(({ value }: { value: unknown }) => (value === undefined ? fallback : toWholeNumber(value))),
    Max(max, { message: `must be a whole number from ${min} to ${max}` }),
    Min(min, { message: `must be a whole number from ${min} to ${max}` }),
    IsInt({ message: `must be a whole number from ${min} to ${max}` }),
    ...(required ? [] : [IsOptional()]),
    ApiProperty({
      type: 'integer',
      required,
      minimum: min,
      maximum: max,
      ...(fallback !== undefined && { default: fallback }),
      ...(description !== undefined && { description }),
    }),
  );
}

/** Leaves what is no whole number as it is, for the validator to refuse. */
function toWholeNumber(value: unknown): unknown {
  return typeof value === 'string' && WHOLE_NUMBER.test(value) ? Number(value) : value;
}
