import { ValidateBy } from 'class-validator';

/** With a time zone: without one, it would be whichever the server happens to be in. */
const INSTANT = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})$/;

export const NO_INSTANT = 'must be a time such as 2026-01-15T10:30:00Z';

/** Null for what is no instant: ISO 8601 also has weeks, leap seconds and the 24th hour, which a Date does not. */
export function toInstant(text: string): Date | null {
  const day = INSTANT.exec(text)?.[1];
  const date = new Date(text);
  if (day === undefined || Number.isNaN(date.getTime())) return null;
  // A Date takes the 30th of February for the 2nd of March.
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? date : null;
}

/** A text that says an instant, in ISO 8601 with a time zone. */
export function IsInstant(): PropertyDecorator {
  return ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && toInstant(value) !== null,
      defaultMessage: () => NO_INSTANT,
    },
  });
}
