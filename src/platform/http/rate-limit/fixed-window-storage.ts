import { type RateLimitRecord, RateLimitStorage } from './rate-limit-storage.js';

interface Window {
  hits: number;
  endsAt: number;
}

const DEFAULT_MAX_KEYS = 50_000;

/**
 * Fixed windows in the memory of one process. The memory store of @nestjs/throttler keeps a timestamp for every hit of every
 * key, which an attacker can grow; here a key costs two numbers and the number of keys is bounded.
 */
export class FixedWindowStorage extends RateLimitStorage {
  // One map for each limit: its windows are all equally long, so insertion order is the order in which they end.
  private readonly windows = new Map<string, Map<string, Window>>();

  constructor(
    private readonly now: () => number = Date.now,
    private readonly maxKeys = DEFAULT_MAX_KEYS,
  ) {
    super();
  }

  override increment(
    key: string,
    ttlMs: number,
    limit: number,
    blockDurationMs: number,
    name: string,
  ): RateLimitRecord {
    const now = this.now();
    const window = this.windowOf(name, key, ttlMs, now);
    if (window.hits <= limit) window.hits++;
    const isBlocked = window.hits > limit;
    if (isBlocked && blockDurationMs > 0) window.endsAt = Math.max(window.endsAt, now + blockDurationMs);
    const timeToExpire = (window.endsAt - now) / 1000;
    return { totalHits: window.hits, timeToExpire, isBlocked, timeToBlockExpire: isBlocked ? timeToExpire : 0 };
  }

  /** How many keys are remembered, over all limits. */
  get size(): number {
    return [...this.windows.values()].reduce((sum, windows) => sum + windows.size, 0);
  }

  private windowOf(name: string, key: string, ttlMs: number, now: number): Window {
    const windows = this.windows.get(name) ?? new Map<string, Window>();
    this.windows.set(name, windows);
    const known = windows.get(key);
    if (known && known.endsAt > now) return known;
    windows.delete(key);
    this.makeRoom(windows, now);
    const fresh = { hits: 0, endsAt: now + ttlMs };
    windows.set(key, fresh);
    return fresh;
  }

  /** Drops the windows that are over; and the oldest one when there are still too many. */
  private makeRoom(windows: Map<string, Window>, now: number): void {
    for (const [key, window] of windows) {
      if (window.endsAt > now && windows.size < this.maxKeys) return;
      windows.delete(key);
    }
  }
}
