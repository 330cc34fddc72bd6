import { describe, expect, it } from '@jest/globals';
import { aPlacement, seconds } from '../../../test/builders/an-instance.js';
import type { Placement } from '../../instances/domain/placement.js';
import { decideRetirement, pauseMs } from './decide-retirement.js';
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

function retiring(overrides: Partial<Placement>): Placement {
  return aPlacement({ state: 'retiring', ...overrides });
}

describe('the retirement of a machine', () => {
  it.each<[string, Partial<Placement>, string]>([
    ['is deleted first', {}, 'delete'],
    ['waits for its next look', { deleteSentAt: seconds(290), nextCheckAt: seconds(310) }, 'wait'],
    ['is deleted again while it is still listed', { deleteSentAt: seconds(200), nextCheckAt: seconds(250) }, 'delete'],
    [
      'waits after one listing without it',
      { deleteSentAt: seconds(200), missingSince: seconds(210), missingAt: seconds(210) },
      'wait',
    ],
    [
      'is gone after two listings without it',
      { deleteSentAt: seconds(200), missingSince: seconds(210), missingAt: seconds(220) },
      'gone',
    ],
    [
      'is gone at once on the evidence, whenever the next look is due',
      { deleteSentAt: seconds(200), missingSince: seconds(210), missingAt: seconds(220), nextCheckAt: seconds(400) },
      'gone',
    ],
    [
      'is gone when it had vanished before the delete and stays away after it',
      { deleteSentAt: seconds(200), missingSince: seconds(100), missingAt: seconds(210) },
      'gone',
    ],
    [
      'is not gone by what listings showed before the delete',
      { deleteSentAt: seconds(200), missingSince: seconds(100), missingAt: seconds(190) },
      'delete',
    ],
    ['is looked up while its id is not known', { novitaId: null, outcomeUnknownSince: seconds(250) }, 'look-up'],
    [
      'is gone without ever having been when no listing shows it past the window',
      { novitaId: null, outcomeUnknownSince: seconds(100), missingSince: seconds(110), missingAt: seconds(140) },
      'gone',
    ],
    [
      'may still appear within the window',
      { novitaId: null, outcomeUnknownSince: seconds(100), missingSince: seconds(110), missingAt: seconds(139) },
      'look-up',
    ],
  ])('%s', (_text, overrides, kind) => {
    expect(decideRetirement(retiring(overrides), seconds(300), LIMITS).kind).toBe(kind);
  });

  it('does not believe that a machine is gone that no listing has shown yet', () => {
    const hidden = { lastSeenAt: null, createSentAt: seconds(0), deleteSentAt: seconds(5), missingSince: seconds(6) };

    const early = decideRetirement(retiring({ ...hidden, missingAt: seconds(44) }), seconds(44), LIMITS);
    const late = decideRetirement(retiring({ ...hidden, missingAt: seconds(45) }), seconds(45), LIMITS);

    expect(early.kind).toBe('wait');
    expect(late.kind).toBe('gone');
  });

  it('counts with a create that took effect late, after it had waited for its turn', () => {
    const late = { lastSeenAt: null, createSentAt: seconds(0), deleteSentAt: seconds(70), missingSince: seconds(6) };

    const early = decideRetirement(retiring({ ...late, missingAt: seconds(109) }), seconds(109), LIMITS);
    const proven = decideRetirement(retiring({ ...late, missingAt: seconds(110) }), seconds(110), LIMITS);

    expect([early.kind, proven.kind]).toEqual(['wait', 'gone']);
  });

  it('repeats a delete less and less often, but at least every half minute', () => {
    const pauses = [0, 1, 2, 3, 4, 50].map((attempts) => pauseMs(attempts, LIMITS) / 1000);

    expect(pauses).toEqual([15, 30, 30, 30, 30, 30]);
  });
});
