import { randomBytes } from 'node:crypto';

/** Chance that replays: the same seed gives the same draws (mulberry32). */
export class SeededRandom {
  private state: number;

  constructor(seed = 1) {
    this.state = seed >>> 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  hits(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  oneOf<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.next() * items.length)];
  }
}

// Ids are not drawn from the seed: a sandbox that starts again must never reuse an id that somebody still has in a database.
export function machineId(): string {
  return randomBytes(8).toString('hex');
}

export function secret(): string {
  return randomBytes(12).toString('base64url');
}
