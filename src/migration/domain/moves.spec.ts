import { describe, expect, it } from '@jest/globals';
import { aSpotInstance, at } from '../../../test/builders/a-spot-instance.js';
import { heldUp } from './moves.js';

describe('a migration that the provider holds up', () => {
  it('is told once for each reason', () => {
    const migrating = aSpotInstance({ phase: 'migrating', lostAt: at(0), lossReason: 'spot_reclaim' });

    const first = heldUp(migrating, 'balance', at(120), at(60));
    const again = heldUp({ ...first.after, phase: 'migrating' }, 'balance', at(180), at(120));
    const other = heldUp({ ...again.after, phase: 'migrating' }, 'quota', at(240), at(180));

    expect([first, again, other].map(({ event }) => event?.type)).toEqual([
      'instance.migration_failed',
      undefined,
      'instance.migration_failed',
    ]);
  });
});
