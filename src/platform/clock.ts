/** The one source of time. Services read it once an operation and hand `now` down. */
export abstract class Clock {
  abstract now(): Date;
  /** For measuring durations in this process: never set back, of no meaning elsewhere. */
  abstract monotonicMs(): number;
}

export class SystemClock extends Clock {
  override now(): Date {
    return new Date();
  }

  override monotonicMs(): number {
    return performance.now();
  }
}

export function addMs(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}

export function addSeconds(instant: Date, seconds: number): Date {
  return addMs(instant, seconds * 1000);
}

export function earliest(...instants: (Date | null | undefined)[]): Date | null {
  const known = instants.filter((instant): instant is Date => instant instanceof Date);
  return known.length === 0 ? null : new Date(Math.min(...known.map((instant) => instant.getTime())));
}
