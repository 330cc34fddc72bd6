import { appendFileSync } from 'node:fs';

/** Set by `npm run proof`: the full size instead of the one that every `npm test` runs. */
export const isProof = process.env['PROOF'] === '1';

const SHOWN_EVERY_MS = 10_000;

export type Figures = Readonly<Record<string, number | string>>;

/** One proof: its seed and size, where it is, and what came out of it. */
export class Proof {
  readonly seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000_000));
  private readonly startedAt = Date.now();
  private shownAt = 0;

  constructor(readonly name: string) {
    this.say(`seed ${this.seed}`);
  }

  /** `PROOF_SIZE` overrides both, for a run of another size. */
  size(ci: number, full: number): number {
    return Number(process.env['PROOF_SIZE'] ?? (isProof ? full : ci));
  }

  /** At most one line in ten seconds, and only where somebody waits for a long run. */
  progress(text: string): void {
    if (!isProof || Date.now() - this.shownAt < SHOWN_EVERY_MS) return;
    this.shownAt = Date.now();
    this.say(`${Math.round((Date.now() - this.startedAt) / 1000)} s: ${text}`);
  }

  result(figures: Figures): void {
    const result = { proof: this.name, seed: this.seed, seconds: (Date.now() - this.startedAt) / 1000, ...figures };
    this.say(JSON.stringify(result));
    const path = process.env['PROOF_RESULTS'];
    if (path !== undefined) appendFileSync(path, `${JSON.stringify(result)}\n`);
  }

  // Past Jest's console, which would hold the lines back until the file has ended.
  private say(text: string): void {
    process.stderr.write(`[${this.name}] ${text}\n`);
  }
}

/** The highest and the middle of some measured times, in seconds. */
export function spread(millis: readonly number[]): { median: number; max: number } {
  const sorted = millis.toSorted((a, b) => a - b);
  const seconds = (ms: number | undefined) => Math.round((ms ?? 0) / 10) / 100;
  return { median: seconds(sorted[Math.floor(sorted.length / 2)]), max: seconds(sorted.at(-1)) };
}
