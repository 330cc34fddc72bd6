import { Random, ulidTime } from '../../src/platform/random.js';

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';

/** Chance that a seed repeats: mulberry32. */
export class SeededRandom extends Random {
  private state: number;
  private ulids = 0;

  constructor(seed: number) {
    super();
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0;
    // Neighbouring seeds begin alike; a few draws part them.
    for (let draw = 0; draw < 3; draw += 1) this.fraction();
  }

  override fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  override token(length = 12): string {
    let text = '';
    for (let place = 0; place < length; place += 1) text += LETTERS.charAt(this.below(32));
    return text;
  }

  override ulid(now: Date): string {
    this.ulids += 1;
    return ulidTime(now) + String(this.ulids).padStart(16, '0');
  }

  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}
