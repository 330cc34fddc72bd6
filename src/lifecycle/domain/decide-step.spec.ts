import { describe, expect, it } from '@jest/globals';
import { anInstance, aPlacement, seconds } from '../../../test/builders/an-instance.js';
import type { Instance } from '../../instances/domain/instance.js';
import { observedAt, type Placement } from '../../instances/domain/placement.js';
import { decideStep } from './decide-step.js';
import { isProvenAbsent } from './evidence.js';
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

interface Case {
  readonly instance?: Partial<Instance>;
  readonly placement?: Partial<Placement> | null;
  /** Begin of the latest complete listing, in seconds. */
  readonly sweptAt?: number;
  readonly step: string;
}

const NOW = seconds(300);
const GONE = { missingSince: seconds(200), missingAt: seconds(210) };

describe('the next step of an instance', () => {
  it.each<[string, Case]>([
    ['queued and due: buys', { instance: { phase: 'queued', nextCheckAt: seconds(300) }, step: 'buy' }],
    ['queued and told to wait: waits', { instance: { phase: 'queued', nextCheckAt: seconds(301) }, step: 'wait' }],
    ['queued past its time: fails', { instance: { phase: 'queued', deadlineAt: seconds(300) }, step: 'fail' }],
    [
      'buying while another replica waits for the answer: waits',
      { instance: { phase: 'buying', nextCheckAt: seconds(310) }, placement: { novitaId: null }, step: 'wait' },
    ],
    ['buying with an id: confirms', { instance: { phase: 'buying' }, step: 'confirm' }],
    [
      'buying without an answer: looks the machine up',
      {
        instance: { phase: 'buying', phaseSince: seconds(200) },
        placement: { novitaId: null, state: 'intended' },
        step: 'look-up',
      },
    ],
    [
      'buying without an answer for longer than a proof takes, within its time in the queue: looks the machine up',
      {
        instance: { phase: 'buying', deadlineAt: seconds(301) },
        placement: { novitaId: null, state: 'intended' },
        step: 'look-up',
      },
    ],
    [
      'buying without an answer past its time, however little could be proven: fails',
      {
        instance: { phase: 'buying', deadlineAt: seconds(300) },
        placement: { novitaId: null, state: 'intended' },
        step: 'fail',
      },
    ],
    [
      'buying, and no listing past the window shows it: gives the name up',
      {
        instance: { phase: 'buying', phaseSince: seconds(200) },
        placement: { novitaId: null, state: 'intended', outcomeUnknownSince: seconds(100), missingAt: seconds(140) },
        step: 'abandon',
      },
    ],
    [
      'coming up and seen running: inspects',
      { instance: { phase: 'starting' }, placement: { lastSeenAt: seconds(290) }, step: 'inspect' },
    ],
    [
      'coming up and seen pulling: advances',
      {
        instance: { phase: 'provisioning' },
        placement: { seenStatus: 'pulling', lastSeenAt: seconds(290) },
        step: 'advance',
      },
    ],
    [
      'a start that is owed: calls',
      { instance: { phase: 'starting', action: 'start', nextCheckAt: seconds(300) }, step: 'call' },
    ],
    [
      'what was seen before an action settled: does not count',
      {
        instance: { phase: 'restarting', action: 'restart', actionSentAt: seconds(289), nextCheckAt: seconds(300) },
        placement: { lastSeenAt: seconds(291) },
        step: 'wait',
      },
    ],
    ...(
      [
        ['that nothing shows yet: is looked at', {}, {}, 294, 'inspect'],
        ['that nothing shows in time: is sent again', {}, {}, 295, 'call'],
        ['that was sent again: is given more time', { phaseSince: seconds(250) }, {}, 295, 'inspect'],
        ['that nothing shows by its deadline: is given up', { deadlineAt: seconds(295) }, {}, 295, 'give-up-restart'],
        ['that was accepted: is not sent again', { actionAnsweredAt: seconds(281) }, {}, 300, 'inspect'],
        ['that was accepted, and that nothing shows', { actionAnsweredAt: seconds(255) }, {}, 300, 'give-up-restart'],
        ['that a listing showed: took effect', {}, { seenStatus: 'restarting' }, 290, 'confirm-restart'],
        ['whose machine ended meanwhile: took effect', {}, { seenStatus: 'exited' }, 290, 'confirm-restart'],
        ['whose machine showed other news: is not over', {}, { lastSeenAt: seconds(284) }, 295, 'call'],
        ['that its own record showed: is over', { action: null }, {}, 295, 'inspect'],
      ] as const
    ).map(([text, overrides, placement, sweptAt, step]): [string, Case] => [
      `a restart ${text}`,
      {
        instance: {
          phase: 'restarting',
          phaseSince: seconds(280),
          action: 'restart',
          actionSentAt: seconds(280),
          ...overrides,
        },
        placement,
        sweptAt,
        step,
      },
    ]),
    [
      'running and seen restarting: follows',
      { placement: { seenStatus: 'restarting', lastSeenAt: seconds(290) }, step: 'follow-restart' },
    ],
    [
      'restarted by somebody else, and ended: is lost',
      {
        instance: { phase: 'restarting' },
        placement: { seenStatus: 'exited', lastSeenAt: seconds(290) },
        step: 'lose',
      },
    ],
    [
      'past its deadline and looked at since: fails',
      {
        instance: { phase: 'starting', deadlineAt: seconds(250) },
        placement: { seenStatus: 'starting' },
        sweptAt: 260,
        step: 'fail',
      },
    ],
    [
      'past its deadline while upstream is silent: waits',
      {
        instance: { phase: 'starting', deadlineAt: seconds(250) },
        placement: { seenStatus: 'starting' },
        sweptAt: 240,
        step: 'wait',
      },
    ],
    [
      'the image cannot be pulled: fails',
      {
        instance: { phase: 'pulling' },
        placement: { seenStatus: 'exited', seenError: 'image pull', lastSeenAt: seconds(290) },
        step: 'fail',
      },
    ],
    [
      'no machine in the place after all: queues again',
      {
        instance: { phase: 'pulling' },
        placement: { seenStatus: 'exited', seenError: 'INSUFFICIENT_RESOURCE', lastSeenAt: seconds(290) },
        step: 'requeue',
      },
    ],
    [
      'running and seen exited since: is lost',
      { placement: { seenStatus: 'exited', lastSeenAt: seconds(290) }, step: 'lose' },
    ],
    [
      'running, and exited as seen before it was ready: looks once more',
      { instance: { phaseSince: seconds(295) }, placement: { seenStatus: 'exited' }, sweptAt: 290, step: 'wait' },
    ],
    ['running and missing from two listings: asks for its own record', { placement: GONE, step: 'verify-gone' }],
    [
      'running and missing while it may be hidden: waits',
      { placement: { missingSince: seconds(20), missingAt: seconds(30), createSentAt: seconds(0) }, step: 'wait' },
    ],
    [
      'never shown, and its create may have taken effect late: waits',
      {
        instance: { phase: 'provisioning' },
        placement: { lastSeenAt: null, missingSince: seconds(20), missingAt: seconds(119), createSentAt: seconds(0) },
        step: 'wait',
      },
    ],
    [
      'never shown for as long as it could be hidden: asks for its own record',
      {
        instance: { phase: 'provisioning' },
        placement: { lastSeenAt: null, missingSince: seconds(20), missingAt: seconds(120), createSentAt: seconds(0) },
        step: 'verify-gone',
      },
    ],
    ['running without a machine: fails', { placement: null, step: 'fail' }],
    [
      'stopping and not sent yet: calls',
      { instance: { phase: 'stopping', action: 'stop', nextCheckAt: seconds(300) }, step: 'call' },
    ],
    [
      'stopping and seen exited since: is stopped',
      {
        instance: { phase: 'stopping', action: 'stop', actionSentAt: seconds(250) },
        placement: { seenStatus: 'exited', lastSeenAt: seconds(260) },
        step: 'finish-stop',
      },
    ],
    [
      'a stop without effect: is sent again',
      {
        instance: { phase: 'stopping', action: 'stop', actionSentAt: seconds(250) },
        placement: { seenStatus: 'running' },
        sweptAt: 270,
        step: 'call',
      },
    ],
    [
      'stopped, and its machine runs: is stopped again',
      { instance: { phase: 'stopped' }, placement: { seenStatus: 'running' }, sweptAt: 290, step: 'stop-again' },
    ],
    [
      'deleting while a machine may exist: waits',
      { instance: { phase: 'deleting', phaseSince: seconds(290) }, step: 'wait' },
    ],
    ['deleting past its time: says why', { instance: { phase: 'deleting' }, step: 'explain' }],
    [
      'deleting past its time, and said why: waits',
      { instance: { phase: 'deleting', reasonCode: 'DELETE_UNCONFIRMED' }, step: 'wait' },
    ],
    [
      'announced to be taken back: is for the migration',
      {
        placement: { billingMode: 'spot', seenSpotStatus: 'notified', lastSeenAt: seconds(290) },
        step: 'hand-on',
      },
    ],
    ...(
      [
        ['in an earlier life', { billingMode: 'spot', seenReclaimAt: seconds(-10) }],
        ['on demand', { billingMode: 'onDemand', seenReclaimAt: seconds(900) }],
        ['while nobody knows its status', { billingMode: 'spot', seenStatus: 'other', seenReclaimAt: seconds(900) }],
      ] as const
    ).map(([text, placement]): [string, Case] => [
      `announced to be taken back ${text}: rests`,
      {
        instance: { nextCheckAt: seconds(290) },
        placement: { seenSpotStatus: 'notified', lastSeenAt: seconds(290), ...placement },
        step: 'wait',
      },
    ]),
    [
      'deleting and everything gone: is deleted',
      { instance: { phase: 'deleting' }, placement: { state: 'gone' }, step: 'finish-delete' },
    ],
    ['failed: nothing', { instance: { phase: 'failed' }, step: 'wait' }],
  ])('%s', (_text, { instance, placement, sweptAt, step }) => {
    const facts = {
      instance: anInstance(instance),
      placements: placement === null ? [] : [aPlacement(placement)],
      sweptAt: sweptAt === undefined ? null : seconds(sweptAt),
    };

    expect(decideStep(facts, NOW, LIMITS).kind).toBe(step);
  });

  it.each<[string, Partial<Placement>, string]>([
    ['taken back', { seenSpotStatus: 'terminated', seenReclaimAt: seconds(280) }, 'SPOT_RECLAIMED'],
    ['taken back without a time', { seenSpotStatus: 'terminated' }, 'SPOT_RECLAIMED'],
    ['gone at its announced time', { seenSpotStatus: 'notified', seenReclaimAt: seconds(280) }, 'SPOT_RECLAIMED'],
    ['gone before its announced time', { seenSpotStatus: 'notified', seenReclaimAt: seconds(900) }, 'INTERRUPTED'],
    [
      'gone with fields of an earlier life',
      { seenSpotStatus: 'terminated', seenReclaimAt: seconds(-9) },
      'INTERRUPTED',
    ],
    ['gone without a word', {}, 'INTERRUPTED'],
  ])('calls a loss by its name: %s', (_text, fields, code) => {
    const placement = aPlacement({ billingMode: 'spot', seenStatus: 'exited', lastSeenAt: seconds(290), ...fields });

    const step = decideStep({ instance: anInstance(), placements: [placement], sweptAt: null }, NOW, LIMITS);

    expect(step).toMatchObject({ kind: 'lose', reason: { code } });
  });

  it('looks once more after it became ready, since its machine may have ended meanwhile', () => {
    const facts = { instance: anInstance(), placements: [aPlacement()], sweptAt: seconds(0) };

    const step = decideStep(facts, NOW, LIMITS);

    expect(step).toEqual({ kind: 'wait', until: seconds(310) });
  });

  it.each<[string, number, Partial<Instance>, number]>([
    ['at every poll at first', 1, { phaseSince: seconds(298) }, 301],
    ['rarely once the phase has lasted', 1, { phaseSince: seconds(280) }, 305],
    ['every ten seconds however long it lasts', 1, { phaseSince: seconds(0) }, 310],
    ['never before the next poll', 20, { phaseSince: seconds(290) }, 320],
    ['at every poll past the deadline', 1, { phaseSince: seconds(0), deadlineAt: seconds(300) }, 301],
  ])('looks for what the listing does not tell: %s', (_text, pollSeconds, fields, until) => {
    const facts = { instance: anInstance(fields), placements: [aPlacement()], sweptAt: seconds(0) };

    const step = decideStep(facts, NOW, { ...LIMITS, pollMs: pollSeconds * 1000 });

    expect(step).toEqual({ kind: 'wait', until: seconds(until) });
  });
});

describe('what is known of a machine', () => {
  it('holds until the latest complete listing that did not contradict it', () => {
    expect(observedAt(aPlacement(), seconds(50))).toEqual(seconds(50));
    expect(observedAt(aPlacement({ missingSince: seconds(40) }), seconds(50))).toEqual(seconds(0));
    expect(observedAt(aPlacement({ lastSeenAt: null }), seconds(50))).toBeNull();
  });

  it.each([
    ['no listing', null, null, false],
    ['within the window after the latest and longest create', null, 119, false],
    ['after it', null, 120, true],
    ['within the window after the answer failed', 10, 49, false],
    ['after that', 10, 50, true],
  ])('its absence is proven: %s', (_text, unknownSince, missingAt, expected) => {
    const placement = aPlacement({
      outcomeUnknownSince: unknownSince === null ? null : seconds(unknownSince),
      missingAt: missingAt === null ? null : seconds(missingAt),
    });

    expect(isProvenAbsent(placement, LIMITS)).toBe(expected);
  });
});
