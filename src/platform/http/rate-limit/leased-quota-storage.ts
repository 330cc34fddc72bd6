import { LRUCache } from 'lru-cache';
import { AppError } from '../../app-error.js';
import type { Soon } from '../at-once.js';
import type { QuotaLease, TakeLease } from './quota-lease.js';
import { type RateLimitRecord, RateLimitStorage } from './rate-limit-storage.js';

/** The part of a limit that a replica takes at once. Four replicas that stop halfway keep 5 % of a limit from the others. */
const BLOCK_PART = 1 / 120;
const MAX_BLOCK = 1_000;
const MAX_KEYS = 50_000;
const PATIENCE_MS = 2_000;
/** How long a store that failed is not asked again. */
const AWAY_MS = 1_000;

/** The store is there but cannot keep up. To count alone now would let in more than the limit, and the service needs the store. */
export class StoreTooSlow extends AppError {
  readonly kind = 'unavailable';
  readonly code = 'SERVICE_UNAVAILABLE';
  override readonly retryAfterSeconds = 1;

  constructor() {
    super('The service cannot answer right now; try again shortly');
  }
}

interface Window {
  /** Hits that may be let in without asking. */
  left: number;
  /** All replicas' hits, as of the latest lease. */
  used: number;
  endsAt: number;
  asking: Promise<void> | null;
}

/** Counts over all replicas: each takes hits out of the shared quota in small blocks, and asks for the next one ahead of need. */
export class LeasedQuotaStorage extends RateLimitStorage {
  private readonly windows = new LRUCache<string, Window>({ max: MAX_KEYS });
  private awayUntil = -Infinity;
  private awayBecause: Error | null = null;

  constructor(
    private readonly lease: TakeLease,
    private readonly now: () => number = () => performance.now(),
  ) {
    super();
  }

  /** @throws StoreTooSlow, or whatever the store failed with */
  override increment(
    key: string,
    ttlMs: number,
    limit: number,
    _blockDurationMs: number,
    name: string,
  ): Soon<RateLimitRecord> {
    const block = Math.min(MAX_BLOCK, Math.max(1, Math.floor(limit * BLOCK_PART)));
    const window = this.windowOf(name, key);
    const ask = () => this.ask(window, ttlMs, () => this.lease(name, key, limit, ttlMs, block));
    return this.knows(window, limit)
      ? this.count(window, limit, block, ask)
      : this.countLater(window, limit, block, ask);
  }

  private knows(window: Window, limit: number): boolean {
    return this.hasLeft(window) || this.isSpent(window, limit);
  }

  private async countLater(window: Window, limit: number, block: number, ask: () => Promise<void>) {
    // A block may be used up by others before its waiter gets to it; at the limit there are no more blocks.
    while (!this.knows(window, limit)) await ask();
    return this.count(window, limit, block, ask);
  }

  private count(window: Window, limit: number, block: number, ask: () => Promise<void>): RateLimitRecord {
    const isBlocked = !this.hasLeft(window);
    if (!isBlocked) window.left -= 1;
    if (!isBlocked && block > 1 && window.left <= block / 2 && window.used < limit) void ask().catch(() => undefined);
    const timeToExpire = Math.max(0, window.endsAt - this.now()) / 1000;
    const totalHits = isBlocked ? limit + 1 : Math.max(1, window.used - window.left);
    return { totalHits, timeToExpire, isBlocked, timeToBlockExpire: isBlocked ? timeToExpire : 0 };
  }

  private hasLeft(window: Window): boolean {
    return window.left > 0 && this.now() < window.endsAt;
  }

  private isSpent(window: Window, limit: number): boolean {
    return window.left === 0 && window.used >= limit && this.now() < window.endsAt;
  }

  private windowOf(name: string, key: string): Window {
    const id = `${name}\0${key}`;
    const known = this.windows.get(id);
    if (known !== undefined) return known;
    const fresh = { left: 0, used: 0, endsAt: -Infinity, asking: null };
    this.windows.set(id, fresh);
    return fresh;
  }

  private ask(window: Window, ttlMs: number, lease: () => Promise<QuotaLease>): Promise<void> {
    if (this.awayBecause !== null && this.now() < this.awayUntil) return Promise.reject(this.awayBecause);
    window.asking ??= this.take(window, ttlMs, lease)
      .catch((error: Error) => {
        this.awayBecause = error;
        this.awayUntil = this.now() + AWAY_MS;
        throw error;
      })
      .finally(() => {
        window.asking = null;
      });
    return window.asking;
  }

  private async take(window: Window, ttlMs: number, lease: () => Promise<QuotaLease>): Promise<void> {
    // Counted from before the question, so that a block is given up before its window ends and never after.
    const askedAt = this.now();
    const { granted, used, endsInMs } = await inTime(lease());
    const endsAt = askedAt + endsInMs;
    // The store's next window ends a whole window later; one and the same only seems to move as answers take their time.
    const isSame = Math.abs(endsAt - window.endsAt) < ttlMs / 2;
    window.left = (isSame ? window.left : 0) + granted;
    window.used = used;
    window.endsAt = isSame ? Math.min(window.endsAt, endsAt) : endsAt;
  }
}

/** What a late answer grants is lost, which errs on the side of the limit. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreTooSlow()), PATIENCE_MS);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
