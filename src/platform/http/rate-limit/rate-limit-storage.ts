import type { Soon } from '../at-once.js';

export interface RateLimitRecord {
  /** Hits in the current window, this one included; at most one more than the limit. */
  totalHits: number;
  /** Seconds until the window ends; may be a fraction. */
  timeToExpire: number;
  isBlocked: boolean;
  /** Seconds until a blocked key is let in again; 0 while it is not blocked. */
  timeToBlockExpire: number;
}

/** Counts hits, at once where it can. It has the shape of @nestjs/throttler's storage, so that its stores can be put behind it. */
export abstract class RateLimitStorage {
  /** @param blockDurationMs how long a key stays shut once it is over; 0 for "until its window ends". */
  abstract increment(
    key: string,
    ttlMs: number,
    limit: number,
    blockDurationMs: number,
    name: string,
  ): Soon<RateLimitRecord>;
}
