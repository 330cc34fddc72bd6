/**
 * A kind of background work. The payload is ids and nothing else: a job is only a wake-up call, the rows say what is to be done,
 * and a scheduled sweep finds the same work when a job is lost.
 */
export interface Job<P extends object> {
  readonly name: string;
  /** At most one job waits for each key; a further wake-up for the same row is dropped. */
  readonly keyOf: (payload: P) => string;
  /** How many run at once on one replica. */
  readonly concurrency: number;
  /** Where much of it may come at once and a few seconds do not matter: it begins as fast as the requests beside it can bear. */
  readonly givesWay: boolean;
}

export function defineJob<P extends object>(
  name: string,
  concurrency: number,
  keyOf: (payload: P) => string,
  { givesWay = false } = {},
): Job<P> {
  return { name, concurrency, keyOf, givesWay };
}
