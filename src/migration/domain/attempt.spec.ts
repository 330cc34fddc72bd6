import { describe, expect, it } from '@jest/globals';
import { aSpotInstance, at } from '../../../test/builders/a-spot-instance.js';
import type { Instance } from '../../instances/domain/instance.js';
import { type Attempt, endingOf, newAttempt, withStep } from './attempt.js';

const LOST = aSpotInstance({ phase: 'exited', lostAt: at(0), currentPlacementId: 'plc-a' });

describe('endingOf', () => {
  it.each<[string, Partial<Attempt>, Partial<Instance>, string | null]>([
    ['its instance runs again', {}, { phase: 'running', lostAt: null }, 'migrated'],
    [
      'its instance was handed over',
      { cause: 'notice' },
      { phase: 'running', lostAt: null, currentPlacementId: 'plc-b' },
      'migrated',
    ],
    [
      'its successor is still coming up',
      { cause: 'notice' },
      { phase: 'running', lostAt: null, replaceBy: at(600) },
      null,
    ],
    ['the notice was taken back', { cause: 'notice' }, { phase: 'running', lostAt: null }, 'cancelled'],
    ['the machine was taken before the hand-over', { cause: 'notice', startedAt: at(-600) }, {}, 'cancelled'],
    ['the user stopped it meanwhile', {}, { phase: 'stopping' }, 'cancelled'],
    ['the user deleted it meanwhile', {}, { phase: 'deleting' }, 'cancelled'],
    ['it was given up', {}, { phase: 'failed', reasonCode: 'MIGRATION_ERROR' }, 'failed'],
    ['another machine did not come up either', { means: 'elsewhere' }, { reasonCode: 'NO_CAPACITY' }, 'failed'],
    ['it was lost once more after it came back', { startedAt: at(-60) }, {}, 'migrated'],
    ['it waits for its next means', { means: null }, {}, null],
    ['a call is under way', { means: 'start' }, { phase: 'migrating' }, null],
    ['it is being bought elsewhere', { means: 'elsewhere' }, { phase: 'queued' }, null],
  ])('when %s', (_name, attempt, instance, state) => {
    const open = { ...newAttempt('mig-a', LOST, 'spot_reclaim', at(0)), ...attempt };

    expect(endingOf(open, { ...LOST, ...instance })?.state ?? null).toBe(state);
  });
});

describe('withStep', () => {
  it('keeps each decision with its reason and time, but tells a wait that goes on once', () => {
    const first = withStep(newAttempt('mig-a', LOST, 'spot_reclaim', at(0)), 'wait', 'unreadable', at(1));

    const second = withStep(first, 'wait', 'unreadable', at(3));
    const third = withStep(second, 'start', 'reclaimed', at(5));

    expect(second).toBe(first);
    expect(third.steps).toEqual([
      { at: at(1).toISOString(), decision: 'wait', because: 'unreadable' },
      { at: at(5).toISOString(), decision: 'start', because: 'reclaimed' },
    ]);
  });
});
