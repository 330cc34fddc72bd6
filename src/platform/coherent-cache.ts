import { LRUCache } from 'lru-cache';

interface Entry<T> {
  readonly value: T;
  readonly subject: string;
  readonly readSince: number;
}

/** Changes that are remembered one by one; of older ones only that there were some. */
const MAX_CHANGES = 20_000;

/**
 * Keeps what was read from rows. A value counts only if its reading began after the latest change of its subject, so that neither
 * one that is kept nor one that is being read outlives a change; and only while every change is sure to become known.
 */
export class CoherentCache<T> {
  private readonly entries: LRUCache<string, Entry<T>>;
  private readonly changes: LRUCache<string, number>;
  private latestChange = 0;
  /** Whatever was read before this change no longer counts. */
  private floor = 0;

  /**
   * @param maxBytes what is kept at most, as `bytesOf` estimates it
   * @param knowsChanges whether all changes are known up to (nearly) now
   */
  constructor(
    maxBytes: number,
    bytesOf: (value: T) => number,
    private readonly knowsChanges: () => boolean,
    maxChanges = MAX_CHANGES,
  ) {
    this.entries = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ value }) => bytesOf(value) });
    this.changes = new LRUCache({
      max: maxChanges,
      dispose: (change, _subject, reason) => {
        if (reason === 'evict') this.floor = Math.max(this.floor, change);
      },
    });
  }

  find(key: string): T | undefined {
    const entry = this.knowsChanges() ? this.entries.get(key) : undefined;
    return entry !== undefined && this.holds(entry) ? entry.value : undefined;
  }

  /** To be asked before a value is read, and given to `keep`. */
  now(): number {
    return this.latestChange;
  }

  /** @param subject what the value is about: its change ends the value. */
  keep(key: string, subject: string, value: T, readSince: number): void {
    const entry = { value, subject, readSince };
    if (this.holds(entry)) this.entries.set(key, entry);
  }

  changed(subject: string): void {
    this.latestChange += 1;
    this.changes.set(subject, this.latestChange);
  }

  allChanged(): void {
    this.latestChange += 1;
    this.floor = this.latestChange;
    this.changes.clear();
    this.entries.clear();
  }

  private holds({ subject, readSince }: Entry<T>): boolean {
    return readSince >= Math.max(this.floor, this.changes.get(subject) ?? 0);
  }
}
