import { LRUCache } from 'lru-cache';

/** A bounded cache whose misses are read once however many wait for them. Counts what it did. */
export class TtlCache<T extends object> {
  hits = 0;
  misses = 0;
  private readonly entries: LRUCache<string, T, () => Promise<T>>;

  constructor(max: number, ttlMs: number) {
    this.entries = new LRUCache<string, T, () => Promise<T>>({
      max,
      ttl: ttlMs,
      fetchMethod: (_key, _stale, { context }) => context(),
    });
  }

  /** What is there already and fresh; a miss is counted by `get`, which then reads. */
  peek(key: string): T | undefined {
    const entry = this.entries.get(key);
    if (entry !== undefined) this.hits += 1;
    return entry;
  }

  /** Failures are not kept: the next caller reads again. */
  async get(key: string, read: () => Promise<T>): Promise<T> {
    if (this.entries.has(key)) this.hits += 1;
    else this.misses += 1;
    return this.entries.forceFetch(key, { context: read });
  }
}
