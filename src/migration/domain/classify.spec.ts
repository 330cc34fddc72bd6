import { describe, expect, it } from '@jest/globals';
import { classify, type Observation, type Records } from './classify.js';

const NOW = new Date('2026-01-10T12:00:00Z');
const EARLIER = new Date('2026-01-10T09:00:00Z');
const JUST_NOW = new Date('2026-01-10T11:59:50Z');
const LATER = new Date('2026-01-10T12:40:00Z');

function seen(overrides: Partial<Observation> = {}): Observation {
  return { status: 'running', spotStatus: 'running', reclaimAt: null, seenAt: NOW, ...overrides };
}

function records(overrides: Partial<Records> = {}): Records {
  return {
    desired: 'running',
    stopRequestedAt: null,
    billingMode: 'spot',
    startedAt: new Date('2026-01-10T10:00:00Z'),
    noticeEndsAt: null,
    ourMigrationSince: null,
    ...overrides,
  };
}

describe('classify', () => {
  it.each<[string, Partial<Observation>, Partial<Records>, string]>([
    ['a machine that runs', {}, {}, 'steady'],
    ['an on-demand machine that runs', { spotStatus: '' }, { billingMode: 'onDemand' }, 'steady'],
    ['a notice', { spotStatus: 'notified', reclaimAt: LATER }, {}, 'notice'],
    ['a notice without a time', { spotStatus: 'notified' }, {}, 'notice'],
    ['a reclaim that has begun', { spotStatus: 'reclaiming' }, {}, 'notice'],
    ['a notice from before the last start', { spotStatus: 'notified', reclaimAt: EARLIER }, {}, 'steady'],
    ['a notice whose time has come', { spotStatus: 'notified', reclaimAt: JUST_NOW }, {}, 'notice'],
    ['a reclaimed machine', { status: 'exited', spotStatus: 'terminated', reclaimAt: JUST_NOW }, {}, 'reclaimed'],
    ['a reclaimed machine without a time', { status: 'exited', spotStatus: 'terminated' }, {}, 'reclaimed'],
    [
      'an exit at the announced time',
      { status: 'exited', spotStatus: 'notified', reclaimAt: JUST_NOW },
      {},
      'reclaimed',
    ],
    [
      'an exit during a notice without a time, past the time it can have had',
      { status: 'exited', spotStatus: 'notified' },
      { noticeEndsAt: JUST_NOW },
      'reclaimed',
    ],
    [
      'an exit in a reclaim without a time, past the time it can have had',
      { status: 'exited', spotStatus: 'reclaiming' },
      { noticeEndsAt: JUST_NOW },
      'reclaimed',
    ],
    [
      'an exit whose spot fields are of an earlier life',
      { status: 'exited', spotStatus: 'terminated', reclaimAt: EARLIER },
      {},
      'interrupted',
    ],
    ['an exit that nothing explains', { status: 'exited' }, {}, 'interrupted'],
    ['an exit without spot fields', { status: 'exited', spotStatus: '' }, {}, 'interrupted'],
    [
      'an exit that the user asked for',
      { status: 'exited', spotStatus: '' },
      { desired: 'stopped', stopRequestedAt: NOW },
      'stopped-by-user',
    ],
    [
      "a reclaim in the second of the user's stop",
      { status: 'exited', spotStatus: 'terminated', reclaimAt: JUST_NOW },
      { desired: 'stopped', stopRequestedAt: NOW },
      'stopped-by-user',
    ],
    ['an exit after a stop of ours', { status: 'exited' }, { stopRequestedAt: NOW }, 'stopped-by-us'],
    ['a move by the provider', { status: 'migrating' }, {}, 'migrating-by-itself'],
    ['a move that we asked for', { status: 'migrating' }, { ourMigrationSince: JUST_NOW }, 'migrating-for-us'],
    ['a machine that is not there', { status: 'absent', spotStatus: '' }, {}, 'gone'],
    ['a machine that is being removed', { status: 'removing' }, {}, 'gone'],
    ['a removed machine', { status: 'removed' }, {}, 'gone'],
  ])('takes %s for %4$s', (_name, observation, facts, kind) => {
    expect(classify(seen(observation), records(facts)).kind).toBe(kind);
  });

  it.each<[string, Partial<Observation>, Partial<Records>, string]>([
    ['runs though terminated', { spotStatus: 'terminated' }, {}, 'runs-though-terminated'],
    [
      'exited before its announced time',
      { status: 'exited', spotStatus: 'notified', reclaimAt: LATER },
      {},
      'exited-before-its-announced-time',
    ],
    [
      'exited during a notice without a time',
      { status: 'exited', spotStatus: 'notified' },
      { noticeEndsAt: LATER },
      'exited-before-its-announced-time',
    ],
    ['exited while it is being reclaimed', { status: 'exited', spotStatus: 'reclaiming' }, {}, 'being-reclaimed'],
    [
      'on demand, with a notice',
      { spotStatus: 'notified', reclaimAt: LATER },
      { billingMode: 'onDemand' },
      'spot-fields-on-an-on-demand-machine',
    ],
    [
      'on demand, and reclaimed',
      { status: 'exited', spotStatus: 'terminated' },
      { billingMode: 'onDemand' },
      'spot-fields-on-an-on-demand-machine',
    ],
    ['stopping', { status: 'stopping' }, {}, 'in-transition'],
    ['in a status that nobody documented', { status: 'other' }, {}, 'in-transition'],
  ])('is in doubt about a machine that is %s', (_name, observation, facts, because) => {
    expect(classify(seen(observation), records(facts))).toEqual({ kind: 'unknown', because });
  });

  it('concludes nothing from a read that failed', () => {
    expect(classify('unreadable', records())).toEqual({ kind: 'unknown', because: 'unreadable' });
  });

  it('assumes an hour where the notice names no time', () => {
    const situation = classify(seen({ spotStatus: 'notified' }), records());

    expect(situation).toEqual({ kind: 'notice', deadline: new Date('2026-01-10T13:00:00Z'), isAssumed: true });
  });
});
