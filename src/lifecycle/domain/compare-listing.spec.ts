import { describe, expect, it } from '@jest/globals';
import { aPlacement, seconds } from '../../../test/builders/an-instance.js';
import type { Machine } from '../../novita/novita-client.js';
import { compareListing, indexMachines } from './compare-listing.js';
import { findOrphans } from './find-orphans.js';

function aMachine(overrides: Partial<Machine> = {}): Machine {
  return {
    id: 'machine-a',
    name: 'gpusvc-d-token-a',
    status: 'running',
    rawStatus: 'running',
    statusError: '',
    spotStatus: '',
    reclaimAt: null,
    clusterId: 'cluster',
    billingMode: 'onDemand',
    createdAt: seconds(0),
    ...overrides,
  };
}

describe('a listing beside the rows', () => {
  it('says nothing about what looks as it did', () => {
    expect(compareListing([aPlacement()], indexMachines([aMachine()]), true, seconds(60))).toEqual({
      changed: [],
      missing: [],
    });
  });

  it('misses nothing when it is not complete', () => {
    expect(compareListing([aPlacement()], indexMachines([]), false, seconds(60)).missing).toEqual([]);
    expect(compareListing([aPlacement()], indexMachines([]), true, seconds(60)).missing).toHaveLength(1);
  });

  it('does not miss what was bought after it was begun', () => {
    const placement = aPlacement({ createdAt: seconds(61) });

    expect(compareListing([placement], indexMachines([]), true, seconds(60)).missing).toEqual([]);
  });

  it('finds a machine whose id is not known by its name, the oldest of several', () => {
    const placement = aPlacement({ novitaId: null });
    const machines = [aMachine({ id: 'newer', createdAt: seconds(9) }), aMachine({ id: 'older' })];

    const { changed } = compareListing([placement], indexMachines(machines), true, seconds(60));

    expect(changed.map(({ machine }) => machine.id)).toEqual(['older']);
  });

  it('takes no other machine of the name once the id is known', () => {
    const { missing, changed } = compareListing(
      [aPlacement()],
      indexMachines([aMachine({ id: 'other' })]),
      true,
      seconds(60),
    );

    expect(changed).toEqual([]);
    expect(missing).toHaveLength(1);
  });
});

describe('orphans', () => {
  const claim = { instanceId: 'inst-a', isLive: true, novitaId: 'machine-a' };

  it.each([
    ['a name that no row knows', 'gpusvc-d-unknown', claim, true],
    ['a machine that a live row holds', 'gpusvc-d-token-a', claim, false],
    ['a row that waits for its machine', 'gpusvc-d-token-a', { ...claim, novitaId: null }, false],
    ['a row that holds another machine', 'gpusvc-d-token-a', { ...claim, novitaId: 'other' }, true],
    ['a row that is over', 'gpusvc-d-token-a', { ...claim, isLive: false }, true],
    ['a name that is not ours', 'gpusvc-e-token-a', claim, false],
  ])('%s', (_text, name, known, expected) => {
    const found = findOrphans([aMachine({ name })], new Map([['gpusvc-d-token-a', known]]), 'gpusvc-d-');

    expect(found).toHaveLength(expected ? 1 : 0);
  });
});
