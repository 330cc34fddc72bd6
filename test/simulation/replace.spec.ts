import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type ReplaceOutcome, ReplaceWorld, TROUBLES } from './replace-world.js';

const CI_WORLDS = 100;
const PROOF_WORLDS = 1000;

Logger.overrideLogger(false);

/** `SEED=n` replays one world, `PROOF=1` takes the full number. */
function chosenSeeds(): number[] {
  const one = process.env['SEED'];
  if (one !== undefined) return [Number(one)];
  return Array.from({ length: process.env['PROOF'] === '1' ? PROOF_WORLDS : CI_WORLDS }, (_, index) => index + 1);
}

function broken(outcome: ReplaceOutcome): string[] {
  const { violations, gapMs, allowedGapMs, overlapMs, allowedOverlapMs, mostAtOnce } = outcome;
  return [
    ...violations,
    ...(gapMs > allowedGapMs ? [`a gap of ${gapMs} ms, allowed ${allowedGapMs}`] : []),
    ...(overlapMs > allowedOverlapMs ? [`two machines for ${overlapMs} ms, allowed ${allowedOverlapMs}`] : []),
    ...(mostAtOnce > 2 ? [`${mostAtOnce} machines at once`] : []),
  ];
}

function describeFailure(outcome: ReplaceOutcome, problems: readonly string[]): string {
  const { seed, trouble, noticeMs, bootMs, lastSteps, rows } = outcome;
  const head = `SEED=${seed} (${trouble}, notice ${noticeMs}, boot ${bootMs}): ${problems.join('; ')}`;
  return [head, ...lastSteps.slice(-Number(process.env['STEPS'] ?? 120)), ...rows].join('\n  ');
}

describe('spot machines under `replace` whose end is announced', () => {
  it('are followed without a gap where the notice allows it, by one machine at a time, within the overlap', async () => {
    const failures: string[] = [];
    const outcomes: ReplaceOutcome[] = [];
    for (const seed of chosenSeeds()) {
      const outcome = await new ReplaceWorld(seed).run();
      outcomes.push(outcome);
      const problems = broken(outcome);
      if (problems.length > 0) failures.push(describeFailure(outcome, problems));
      if (failures.length === Number(process.env['FAILURES'] ?? 3)) break;
    }

    if (process.env['VERBOSE'] === '1' || process.env['PROOF'] === '1') process.stdout.write(`${table(outcomes)}\n`);
    expect(failures.join('\n\n')).toBe('');
    // Both sides of the promise were seen: notice enough for no gap at all, and too little of it.
    if (outcomes.length > 1) {
      expect(outcomes.some(({ allowedGapMs, gapMs }) => allowedGapMs === 0 && gapMs === 0)).toBe(true);
      expect(outcomes.some(({ gapMs }) => gapMs > 0)).toBe(true);
      expect(new Set(outcomes.map(({ trouble }) => trouble)).size).toBe(TROUBLES.length);
    }
  }, 600_000);
});

function table(outcomes: readonly ReplaceOutcome[]): string {
  const lines = TROUBLES.map((trouble) => {
    const some = outcomes.filter((outcome) => outcome.trouble === trouble);
    const withoutGap = some.filter(({ gapMs }) => gapMs === 0).length;
    const longest = Math.max(0, ...some.map(({ overlapMs }) => overlapMs)) / 1000;
    const closest =
      Math.min(...some.filter(({ gapMs }) => gapMs > 0).map((one) => one.allowedGapMs - one.gapMs)) / 1000;
    return `${trouble}: ${some.length} worlds, ${withoutGap} without a gap, ${closest.toFixed(1)} s left at the tightest gap, overlap at most ${longest.toFixed(0)} s`;
  });
  return lines.join('\n');
}
