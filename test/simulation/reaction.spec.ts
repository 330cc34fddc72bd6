import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type Reaction, ReactionWorld } from './reaction-world.js';

const WORLDS = 60;
const BOUND_MS = 12_000;

Logger.overrideLogger(false);

describe('with the default poll of 10 s', () => {
  it('99 of 100 losses and notices are answered by a call within 12 s of their being shown', async () => {
    const reactions: Reaction[] = [];
    const violations: string[] = [];
    for (let seed = 1; seed <= WORLDS; seed += 1) {
      const outcome = await new ReactionWorld(seed).run();
      reactions.push(...outcome.reactions);
      violations.push(...outcome.violations);
    }

    if (process.env['VERBOSE'] === '1' || process.env['PROOF'] === '1') process.stdout.write(`${table(reactions)}\n`);
    expect(violations).toEqual([]);
    for (const what of ['loss', 'notice'] as const) {
      const times = timesOf(reactions, what);
      expect(times.length).toBeGreaterThanOrEqual(100);
      expect(percentile(times, 0.99)).toBeLessThanOrEqual(BOUND_MS);
      // They were shown at any moment between two looks.
      expect(percentile(times, 0.1)).toBeLessThan(BOUND_MS / 2);
    }
  }, 300_000);
});

function timesOf(reactions: readonly Reaction[], what: Reaction['what']): number[] {
  const times = reactions.filter((reaction) => reaction.what === what).map(({ afterMs }) => afterMs ?? Infinity);
  return times.toSorted((a, b) => a - b);
}

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Infinity;
}

function table(reactions: readonly Reaction[]): string {
  const lines = (['loss', 'notice'] as const).map((what) => {
    const times = timesOf(reactions, what);
    const [median, p99, most] = [0.5, 0.99, 1].map((part) => (percentile(times, part) / 1000).toFixed(1));
    return `${what}: ${times.length}, median ${median} s, p99 ${p99} s, longest ${most} s`;
  });
  return lines.join('\n');
}
