import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type Outcome, SimulatedWorld } from './world.js';

const CI_SEEDS = 2000;
const PROOF_SEEDS = 100_000;

Logger.overrideLogger(false);

/** `SEED=n` replays one run, `SEEDS=n` sets how many, `PROOF=1` takes the full number. */
function chosenSeeds(): number[] {
  const one = process.env['SEED'];
  if (one !== undefined) return [Number(one)];
  const count = Number(process.env['SEEDS'] ?? (process.env['PROOF'] === '1' ? PROOF_SEEDS : CI_SEEDS));
  return Array.from({ length: count }, (_, index) => index + 1);
}

function describeFailure({ seed, violations, lastSteps, rows }: Outcome): string {
  const steps = lastSteps.slice(-Number(process.env['STEPS'] ?? 80));
  return [`SEED=${seed}: ${violations.join('; ')}`, ...steps, ...rows].join('\n  ');
}

describe('the lifecycle in simulated worlds', () => {
  it('keeps every promise under crashes, pauses, lies and races, and settles when they end', async () => {
    const seeds = chosenSeeds();
    const failures: string[] = [];
    let steps = 0;
    const migrations = new Map<string, number>();

    for (const seed of seeds) {
      const outcome = await new SimulatedWorld(seed).run();
      steps += outcome.steps;
      for (const ending of outcome.migrations) migrations.set(ending, (migrations.get(ending) ?? 0) + 1);
      if (outcome.violations.length > 0) failures.push(describeFailure(outcome));
      if (failures.length === 3) break;
      // The rest of the process gets its turn between two worlds.
      await new Promise((resolve) => setImmediate(resolve));
    }

    if (process.env['VERBOSE'] === '1')
      process.stdout.write(`${seeds.length} seeds, ${steps} steps, ${JSON.stringify([...migrations])}\n`);
    expect(failures.join('\n\n')).toBe('');
    expect(steps).toBeGreaterThan(seeds.length);
  }, 3_600_000);
});
