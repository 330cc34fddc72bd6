import { AppError } from '../../app-error.js';
import { orElse, type Soon } from '../at-once.js';
import { type RateLimitRecord, RateLimitStorage } from './rate-limit-storage.js';

/**
 * Counts in one store, and in another while that one is away (one that is slow refuses instead). Each holds the limit over all
 * replicas, so that in a window in which the first one goes or comes back at most twice the limit is let in, however often it
 * does.
 */
export class StorageWithReserve extends RateLimitStorage {
  constructor(
    private readonly first: RateLimitStorage,
    private readonly reserve: RateLimitStorage,
  ) {
    super();
  }

  override increment(...hit: Parameters<RateLimitStorage['increment']>): Soon<RateLimitRecord> {
    return orElse(
      () => this.first.increment(...hit),
      (error) => {
        if (error instanceof AppError) throw error;
        return this.reserve.increment(...hit);
      },
    );
  }
}
