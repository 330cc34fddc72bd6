import { describe, expect, it } from '@jest/globals';
import { aSpotMachine, aSpotInstance, at } from '../../../test/builders/a-spot-instance.js';
import type { Instance } from '../../instances/domain/instance.js';
import type { Placement } from '../../instances/domain/placement.js';
import type { MigrationJob } from '../../novita/novita-client.js';
import { type Attempt, newAttempt } from './attempt.js';
import type { Observation } from './classify.js';
import { brakeOf, decideMove, type Facts, type MoveLimits } from './decide-move.js';

const LIMITS: MoveLimits = {
  enabled: true,
  dryRun: false,
  retryFailed: true,
  pollMs: 10_000,
  settleMs: 3000,
  repeatActionMs: 15_000,
  meansTimeoutMs: 600_000,
};
const NO_HISTORY = { recentAttempts: 0, failuresSinceLoss: 0, lastMigratedAt: null };

function lost(overrides: Partial<Instance> = {}): Instance {
  return aSpotInstance({
    phase: 'exited',
    phaseSince: at(0),
    lostAt: at(0),
    lossReason: 'spot_reclaim',
    currentPlacementId: 'plc-a',
    readyAt: at(-7000),
    ...overrides,
  });
}

function reclaimed(overrides: Partial<Placement> = {}): Placement {
  return aSpotMachine({ seenStatus: 'exited', seenSpotStatus: 'terminated', lastSeenAt: at(0), ...overrides });
}

function shown(overrides: Partial<Observation> = {}): NonNullable<Facts['look']> {
  return {
    seen: { status: 'exited', spotStatus: 'terminated', reclaimAt: at(-2), seenAt: at(1), ...overrides },
    hasJobs: false,
  };
}

function facts(overrides: Partial<Facts> = {}): Facts {
  return {
    instance: lost(),
    placements: [reclaimed()],
    attempt: null,
    history: NO_HISTORY,
    sweptAt: at(0),
    look: shown(),
    ...overrides,
  };
}

function tried(...means: Attempt['tried'][number][]): Attempt {
  return { ...newAttempt('mig-a', lost(), 'spot_reclaim', at(0)), tried: means };
}

function job(state: MigrationJob['state']): MigrationJob {
  return { id: 'job-a', novitaId: 'machine-a', type: 'instanceMigrate', state, createdAt: at(1) };
}

describe('decideMove of a lost instance', () => {
  it('starts it on what the listing says, without spending a call on a look', () => {
    const move = decideMove(facts({ look: null }), at(1), LIMITS);

    expect(move).toMatchObject({ kind: 'call', means: 'start', because: 'reclaimed' });
  });

  it.each<[string, Partial<Facts>]>([
    ['a start came to nothing', { attempt: tried('start') }],
    [
      'the listing contradicts itself',
      { placements: [reclaimed({ seenSpotStatus: 'notified', seenReclaimAt: at(600) })] },
    ],
    ['the listing shows it running', { placements: [reclaimed({ seenStatus: 'running', seenSpotStatus: 'running' })] }],
    ['the listing shows it on its way', { placements: [reclaimed({ seenStatus: 'stopping' })] }],
    ['the listing lacks it', { placements: [reclaimed({ missingSince: at(1), missingAt: at(11) })] }],
  ])('reads the machine itself before anything else is done, where %s', (_name, overrides) => {
    expect(decideMove(facts({ look: null, ...overrides }), at(12), LIMITS)).toEqual({ kind: 'look' });
  });

  it.each<[string, Attempt | null, object]>([
    ['start first', null, { kind: 'call', means: 'start', because: 'reclaimed' }],
    ["the provider's migrate after a start that came to nothing", tried('start'), { kind: 'call', means: 'migrate' }],
    [
      'another machine after both',
      tried('start', 'migrate'),
      { kind: 'elsewhere', because: 'start-and-migrate-came-to-nothing' },
    ],
    [
      'a start again when the migration worked and the machine only does not run',
      tried('migrate'),
      { kind: 'call', means: 'start' },
    ],
  ])('takes %s', (_name, attempt, move) => {
    expect(decideMove(facts({ attempt }), at(1), LIMITS)).toMatchObject(move);
  });

  it.each<[string, NonNullable<Facts['look']>]>([
    ['cannot be read', { seen: 'unreadable', hasJobs: false }],
    ['is not found though the listing shows it', shown({ status: 'absent' })],
    ['runs though the listing says exited', shown({ status: 'running', spotStatus: 'running', reclaimAt: null })],
    ['exited before its announced time', shown({ spotStatus: 'notified', reclaimAt: at(600) })],
    ['has a job at work', { ...shown(), hasJobs: true }],
    ['is still stopping', shown({ status: 'stopping' })],
  ])('sends and buys nothing while the machine %s', (_name, look) => {
    expect(decideMove(facts({ look }), at(1), LIMITS).kind).toBe('wait');
  });

  it.each<[string, NonNullable<Facts['look']>, string]>([
    ['a job goes on for ever', { ...shown(), hasJobs: true }, 'a-job-is-stuck'],
    ['its own record and the listing disagree for ever', shown({ status: 'absent' }), 'gone-but-still-listed'],
  ])('buys elsewhere when %s', (_name, look, because) => {
    expect(decideMove(facts({ look }), at(599), LIMITS).kind).toBe('wait');
    expect(decideMove(facts({ look }), at(600), LIMITS)).toEqual({ kind: 'elsewhere', because });
  });

  it('does not leave a machine exited for ever because its fields contradict each other', () => {
    const look = shown({ spotStatus: 'notified', reclaimAt: null });

    expect(decideMove(facts({ look }), at(599), LIMITS).kind).toBe('wait');
    expect(decideMove(facts({ look }), at(600), LIMITS)).toMatchObject({ kind: 'call', means: 'start' });
  });

  it('buys elsewhere when the machine is gone from listings and from its own record', () => {
    const placements = [reclaimed({ missingSince: at(1), missingAt: at(11) })];

    const move = decideMove(facts({ placements, look: shown({ status: 'absent' }) }), at(12), LIMITS);

    expect(move).toEqual({ kind: 'elsewhere', because: 'gone' });
  });

  it('never races a move by the provider', () => {
    const move = decideMove(facts({ look: shown({ status: 'migrating' }) }), at(1), LIMITS);

    expect(move).toEqual({ kind: 'follow-platform', because: 'migrating-by-itself' });
  });

  it('takes the successor that was bought for it, however far that is', () => {
    const successor = aSpotMachine({ id: 'plc-b', state: 'intended', novitaId: null, seenStatus: null });
    const instance = lost({ successorPlacementId: 'plc-b' });

    const move = decideMove(facts({ instance, placements: [reclaimed(), successor] }), at(1), LIMITS);

    expect(move).toMatchObject({ kind: 'adopt-successor', successor: { id: 'plc-b' } });
  });

  it("rests on its user's stop", () => {
    const instance = lost({ desired: 'stopped', stopRequestedAt: at(0) });

    expect(decideMove(facts({ instance }), at(1), LIMITS)).toEqual({ kind: 'rest', because: 'stopped-by-user' });
  });

  it.each([
    [true, 2, 'call'],
    [true, 3, 'give-up'],
    [false, 0, 'call'],
    [false, 1, 'give-up'],
  ])('with retries %s and %d failed attempts decides to %s', (retryFailed, failuresSinceLoss, kind) => {
    const history = { ...NO_HISTORY, failuresSinceLoss };

    expect(decideMove(facts({ history }), at(1), { ...LIMITS, retryFailed }).kind).toBe(kind);
  });
});

describe('the brake after repeated loss', () => {
  it.each([
    [0, 0],
    [1, 0],
    [2, 30],
    [3, 60],
    [6, 480],
    [7, 600],
    [50, 600],
  ])('after %d attempts in an hour waits %d s', (recentAttempts, seconds) => {
    expect(brakeOf(lost(), { ...NO_HISTORY, recentAttempts })).toEqual(at(seconds));
  });

  it('is no move that is under way', () => {
    const history = { ...NO_HISTORY, recentAttempts: 3 };

    expect(decideMove(facts({ history }), at(1), LIMITS)).toEqual({
      kind: 'brake',
      until: at(60),
      because: 'brake-after-repeated-loss',
    });
  });

  it('does not end what was begun and only pauses', () => {
    const history = { ...NO_HISTORY, recentAttempts: 3 };

    expect(decideMove(facts({ history, attempt: tried() }), at(1), LIMITS).kind).toBe('call');
  });

  it('does not hold up what is asked for by hand', () => {
    const instance = lost({ recoveryTrigger: 'manual_migration' });

    expect(brakeOf(instance, { ...NO_HISTORY, recentAttempts: 50 })).toEqual(at(0));
  });
});

describe('decideMove while a call is under way', () => {
  const sent = (means: 'start' | 'migrate' | 'platform', answered = true): Attempt => ({
    ...tried(means),
    means,
    sentAt: at(0),
    answeredAt: answered ? at(1) : null,
  });
  const moving = (overrides: Partial<Facts>): Facts =>
    facts({ instance: lost({ phase: 'migrating', nextCheckAt: at(2) }), look: null, ...overrides });
  const showing = (seenStatus: Placement['seenStatus'], seconds: number): Partial<Facts> => ({
    placements: [reclaimed({ seenStatus, lastSeenAt: at(seconds) })],
    sweptAt: at(seconds),
  });

  it('leaves the row alone while a replica waits for the answer', () => {
    expect(decideMove(moving({ attempt: sent('start', false) }), at(1), LIMITS)).toEqual({ kind: 'leave' });
  });

  it.each<[string, Attempt, Partial<Facts>, string, string]>([
    ['a listing from before the call', sent('start'), showing('exited', 2), 'wait', 'not-seen-since-the-call'],
    ['a machine that runs', sent('start'), showing('running', 5), 'come-up', 'start-worked'],
    ['a machine that is starting', sent('start'), showing('starting', 5), 'wait', 'coming-up'],
    ['a start without effect yet', sent('start'), showing('exited', 5), 'wait', 'no-effect-yet'],
    ['a start without effect', sent('start'), showing('exited', 16), 'next-means', 'start-had-no-effect'],
    [
      'a migration at work',
      sent('migrate'),
      { ...showing('migrating', 60), job: job('running') },
      'wait',
      'migration-job-at-work',
    ],
    [
      'a migration whose job failed',
      sent('migrate'),
      { ...showing('migrating', 60), job: job('fail') },
      'elsewhere',
      'migration-job-failed',
    ],
    [
      'a migration that was broken off',
      sent('migrate'),
      { ...showing('migrating', 60), job: job('break') },
      'elsewhere',
      'migration-job-failed',
    ],
    [
      'a migration that is stuck',
      sent('migrate'),
      { ...showing('migrating', 601), job: job('running') },
      'elsewhere',
      'migration-stuck',
    ],
    [
      'a migration that ended in exited',
      sent('migrate'),
      { ...showing('exited', 60), job: job('success') },
      'next-means',
      'migrated-but-exited',
    ],
    [
      'a migrate without effect',
      sent('migrate'),
      { ...showing('exited', 60), job: null },
      'next-means',
      'migrate-had-no-effect',
    ],
    [
      'a move by the provider',
      sent('platform'),
      { ...showing('migrating', 60), job: job('running') },
      'wait',
      'migration-job-at-work',
    ],
    [
      'jobs that cannot be read',
      sent('migrate'),
      { ...showing('migrating', 60), job: 'unreadable' },
      'wait',
      'migration-job-at-work',
    ],
    ['a start that never ends', sent('start'), showing('starting', 601), 'elsewhere', 'did-not-come-up-in-time'],
  ])('answers %s', (_name, attempt, overrides, kind, because) => {
    expect(decideMove(moving({ attempt, ...overrides }), at(700), LIMITS)).toMatchObject({ kind, because });
  });

  it('asks for the jobs only while they decide', () => {
    const move = decideMove(moving({ attempt: sent('migrate'), ...showing('migrating', 60) }), at(61), LIMITS);

    expect(move).toEqual({ kind: 'look-at-jobs' });
  });

  it('takes time alone for no proof: while listings fail, nothing is given up', () => {
    const move = decideMove(
      moving({ attempt: sent('migrate'), ...showing('migrating', 60), job: job('running') }),
      at(9999),
      LIMITS,
    );

    expect(move.kind).toBe('wait');
  });
});
