/** A block of a limit, taken out of the hits that all replicas share. */
export interface QuotaLease {
  /** How many hits this replica may let in; less than asked for near the limit, 0 at it. */
  readonly granted: number;
  /** Hits that all replicas together have been granted in this window. */
  readonly used: number;
  /** Until the window ends, by the store's clock. */
  readonly endsInMs: number;
}

export type TakeLease = (
  name: string,
  key: string,
  limit: number,
  windowMs: number,
  wanted: number,
) => Promise<QuotaLease>;
