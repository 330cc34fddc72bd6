import { ValidateBy, type ValidationArguments } from 'class-validator';
import { refusalOfLabels } from './domain/labels.js';

export function IsLabels(): PropertyDecorator {
  return ValidateBy({
    name: 'isLabels',
    validator: {
      validate: (value: unknown) => refusalOfLabels(value) === null,
      defaultMessage: (given?: ValidationArguments) => refusalOfLabels(given?.value) ?? '',
    },
  });
}
