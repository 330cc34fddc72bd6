import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { ValidateBy } from 'class-validator';
import { Optional } from '../platform/http/optional.js';
import { MAX_HEADERS, MAX_VALUE_LENGTH } from './domain/custom-headers.js';

/** A plain object of texts, or absent; which names and values may be sent is for the rule of custom headers to say. */
export function IsHeaders(): PropertyDecorator {
  return applyDecorators(
    ApiPropertyOptional({
      type: 'object',
      additionalProperties: { type: 'string', maxLength: MAX_VALUE_LENGTH },
      maxProperties: MAX_HEADERS,
      example: { 'X-Gateway-Token': 'your-token' },
    }),
    Optional(),
    ValidateBy({
      name: 'isHeaders',
      validator: { validate: isTexts, defaultMessage: () => 'must be an object of texts' },
    }),
  );
}

function isTexts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}
