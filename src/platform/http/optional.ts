import { ValidateIf } from 'class-validator';

/** A body field that may be absent. Not null, as `IsOptional` has it: null is a value, and the field's other rules refuse it. */
export function Optional(): PropertyDecorator {
  return ValidateIf((_body, value) => value !== undefined);
}
