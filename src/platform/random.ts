import { randomBytes } from 'node:crypto';

const BASE32 = '0123456789abcdefghjkmnpqrstvwxyz';
const ULID_BASE32 = BASE32.toUpperCase();

/** The one source of chance. */
export abstract class Random {
  /** `length` characters of [0-9a-z] without i, l, o, u; five bits each. */
  abstract token(length?: number): string;
  /** Uniform in [0, 1). */
  abstract fraction(): number;
  /** 26 characters, sortable by `now`, as in github.com/ulid/spec. */
  abstract ulid(now: Date): string;
}

export class SystemRandom extends Random {
  override token(length = 12): string {
    return letters(BASE32, length);
  }

  override fraction(): number {
    return randomBytes(4).readUInt32BE() / 2 ** 32;
  }

  override ulid(now: Date): string {
    return ulidTime(now) + letters(ULID_BASE32, 16);
  }
}

export function ulidTime(now: Date): string {
  let rest = now.getTime();
  let text = '';
  for (let place = 0; place < 10; place += 1) {
    text = ULID_BASE32.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function letters(alphabet: string, length: number): string {
  return Array.from(randomBytes(length), (byte) => alphabet.charAt(byte % 32)).join('');
}
