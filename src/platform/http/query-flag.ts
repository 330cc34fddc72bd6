import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Expose, Transform } from 'class-transformer';
import { IsBoolean, IsOptional } from 'class-validator';

/** `true` or `false` in the query, spelled just so. */
export function QueryFlag(options: { default: boolean; description?: string }): PropertyDecorator {
  const { default: fallback, description } = options;
  return applyDecorators(
    Expose(),
    Transform(({ value }: { value: unknown }) => (value === undefined ? fallback : toFlag(value))),
    IsBoolean({ message: 'must be true or false' }),
    IsOptional(),
    ApiPropertyOptional({ type: 'boolean', default: fallback, ...(description !== undefined && { description }) }),
  );
}

function toFlag(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}
