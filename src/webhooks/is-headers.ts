import { ValidateBy } from 'class-validator';

/** A plain object of texts; which names and values may be sent is for the rule of custom headers to say. */
export function IsHeaders(): PropertyDecorator {
  return ValidateBy({
    name: 'isHeaders',
    validator: {
      validate: isTexts,
      defaultMessage: () => 'must be an object of texts',
    },
  });
}

function isTexts(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((text) => typeof text === 'string');
}
