import { describe, expect, it } from '@jest/globals';
import { aSpotMachine, aSpotInstance, at } from '../../../test/builders/a-spot-instance.js';
import type { Placement } from '../../instances/domain/placement.js';
import { decideHandover, predecessorEndsAt, successorPauseMs } from './decide-handover.js';
import type { Limits } from './limits.js';

const LIMITS: Limits = {
  pollMs: 10_000,
  queueTimeoutMs: 600_000,
  startupTimeoutMs: 600_000,
  stopTimeoutMs: 300_000,
  createTimeoutMs: 60_000,
  visibilityWindowMs: 40_000,
  settleMs: 3000,
  repeatActionMs: 15_000,
  handoverMaxOverlapMs: 300_000,
};

const predecessor = aSpotMachine({ seenSpotStatus: 'notified', seenReclaimAt: at(3600) });
const noticed = aSpotInstance({
  phase: 'running',
  phaseSince: at(-7000),
  currentPlacementId: 'plc-a',
  noticePlacementId: 'plc-a',
  noticedAt: at(0),
  replaceBy: at(3600),
});

function aSuccessor(overrides: Partial<Placement> = {}): Placement {
  return aSpotMachine({
    id: 'plc-b',
    novitaId: 'machine-b',
    createdAt: at(0),
    createSentAt: at(0),
    seenStatus: 'pulling',
    lastSeenAt: at(20),
    billedFrom: at(5),
    ...overrides,
  });
}

function decide(successor: Placement | null, seconds: number, others: Placement[] = [], isNamed = true) {
  const instance = { ...noticed, successorPlacementId: successor !== null && isNamed ? 'plc-b' : null };
  const placements = [predecessor, ...(successor === null ? [] : [successor]), ...others];
  return decideHandover({ instance, placements, sweptAt: at(seconds) }, predecessor, at(seconds), LIMITS);
}

describe('decideHandover', () => {
  it('buys a successor at once', () => {
    expect(decide(null, 1)).toEqual({ kind: 'buy-successor' });
  });

  it('buys no third machine while one that was given up may still bill', () => {
    const givenUp = aSuccessor({ state: 'retiring' });

    expect(decide(givenUp, 30, [], false)).toMatchObject({ kind: 'wait' });
  });

  it.each<[string, Partial<Placement>, string]>([
    [
      'whose create is unanswered',
      { state: 'intended', novitaId: null, seenStatus: null, lastSeenAt: null },
      'look-up-successor',
    ],
    ['whose id is known', { state: 'intended' }, 'confirm-successor'],
    ['that is still coming up', {}, 'wait'],
    ['that runs', { seenStatus: 'running' }, 'inspect-successor'],
    ['that failed', { seenError: 'error: failed to pull image' }, 'drop-successor'],
    ['that exited', { seenStatus: 'exited' }, 'drop-successor'],
    ['that is gone', { missingSince: at(50), missingAt: at(60) }, 'drop-successor'],
    [
      'that never came to be',
      { state: 'intended', novitaId: null, seenStatus: null, missingAt: at(121) },
      'drop-successor',
    ],
  ])('with a successor %s', (_name, overrides, kind) => {
    expect(decide(aSuccessor(overrides), 130).kind).toBe(kind);
  });

  it('inspects a successor as soon as it is seen running, though a later look was planned', () => {
    const successor = aSuccessor({ seenStatus: 'running' });
    const instance = { ...noticed, successorPlacementId: 'plc-b', nextCheckAt: at(140) };
    const facts = { instance, placements: [predecessor, successor], sweptAt: at(130) };

    expect(decideHandover(facts, predecessor, at(130), LIMITS).kind).toBe('inspect-successor');
  });

  it('drops a successor that does not come up in time', () => {
    const isUnbilled = aSuccessor({ billedFrom: at(600) });

    expect(decide(isUnbilled, 601)).toMatchObject({ kind: 'drop-successor', reason: { code: 'STARTUP_TIMEOUT' } });
  });

  describe('where a machine takes longer to come up than two may bill', () => {
    const tooSlow = aSuccessor({ state: 'gone', retireReason: 'OVERLAP_CAP' });

    it('is not followed by it after the notice was withdrawn, however late it is', () => {
      const instance = { ...noticed, noticePlacementId: null, successorPlacementId: 'plc-b' };
      const facts = { instance, placements: [predecessor, aSuccessor({ billedFrom: at(3300) })], sweptAt: at(3590) };

      const step = decideHandover(facts, predecessor, at(3590), { ...LIMITS, startupTimeoutMs: 7_200_000 });

      expect(step).toMatchObject({ kind: 'drop-successor', reason: { code: 'OVERLAP_CAP' } });
    });

    it('looks again when the overlap ends', () => {
      expect(decide(aSuccessor(), 270)).toEqual({ kind: 'wait', until: at(275) });
    });

    it('drops the successor while there is time for another one', () => {
      expect(decide(aSuccessor(), 275)).toMatchObject({ kind: 'drop-successor', reason: { code: 'OVERLAP_CAP' } });
      expect(decide(aSuccessor({ seenStatus: 'running' }), 275).kind).toBe('drop-successor');
    });

    it('buys the next one only as long before the end as two may bill', () => {
      expect(decide(null, 400, [tooSlow])).toEqual({ kind: 'wait', until: at(3300) });
      expect(decide(null, 3300, [tooSlow]).kind).toBe('buy-successor');
    });

    it('gives way to the successor when the announced end is near', () => {
      expect(decide(aSuccessor({ createdAt: at(3300), billedFrom: at(3305) }), 3575).kind).toBe('yield-to-successor');
    });

    it('remembers it for this notice alone', () => {
      expect(decide(null, 400, [{ ...tooSlow, createdAt: at(-10) }]).kind).toBe('buy-successor');
    });
  });
});

describe('predecessorEndsAt', () => {
  it.each([
    ['the overlap counts from where the successor bills', 120, 3600, 5 + 270],
    ['the announced end comes first', 120, 200, 180],
    ['the start took longer than both may bill', 400, 3600, 400],
    ['the announced end is over', 120, 100, 120],
  ])('when %s', (_name, now, deadline, end) => {
    expect(predecessorEndsAt(aSuccessor(), at(deadline), at(now), LIMITS)).toEqual(at(end));
  });
});

describe('successorPauseMs', () => {
  it('grows with every successor that came to nothing', () => {
    const failed = (id: string) => aSuccessor({ id, state: 'gone' });

    expect(successorPauseMs(noticed, [predecessor])).toBe(5000);
    expect(successorPauseMs(noticed, [predecessor, failed('plc-b'), failed('plc-c')])).toBe(20_000);
  });
});
