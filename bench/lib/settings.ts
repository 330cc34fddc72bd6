const { env } = process;

export const CONNECTIONS = 50;
/** At least five, so that one disturbed round does not move the median. */
export const ROUNDS = numberFrom('BENCH_ROUNDS', 5);
export const SECONDS = numberFrom('BENCH_SECONDS', 5);
export const WARM_UP_SECONDS = Math.min(2, SECONDS);
export const WARM_UP_REQUESTS = 2_000;
/** A run that was made shorter is for whoever works on the service; only full ones are written to the document. */
export const isFullRun = ROUNDS >= 5 && SECONDS >= 5;

export function numberFrom(name: string, fallback: number): number {
  const value = Number(env[name] ?? fallback);
  if (!(value > 0)) throw new Error(`${name} must be a number above 0`);
  return value;
}
