import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { SimulatedWorld } from '../world.js';
import { ACTING_MUTANTS } from './acting.js';
import { OBSERVING_MUTANTS } from './observing.js';
import { RECORDING_MUTANTS } from './recording.js';

/** All of them are among the seeds that the unmutated service is held to. */
const SEEDS = 1000;

const MUTANTS = [...RECORDING_MUTANTS, ...ACTING_MUTANTS, ...OBSERVING_MUTANTS];

Logger.overrideLogger(false);

describe('planted faults', () => {
  it('are at least twenty', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
  });

  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    'is caught: %s',
    async (name, mutant) => {
      let caughtBy: number | null = null;
      for (let seed = 1; caughtBy === null && seed <= SEEDS; seed += 1) {
        const { violations } = await new SimulatedWorld(seed, mutant).run();
        if (violations.length === 0) continue;
        caughtBy = seed;
        if (process.env['VERBOSE'] === '1') process.stdout.write(`${seed}\t${name}: ${violations[0]?.slice(0, 160)}\n`);
      }

      expect(caughtBy).not.toBeNull();
      expect((await new SimulatedWorld(caughtBy!).run()).violations).toEqual([]);
    },
    600_000,
  );
});
