import { describe, expect, it } from '@jest/globals';
import { anInstance, aPlacement, seconds } from '../../../test/builders/an-instance.js';
import { decideRequest, type UserAction } from './decide-request.js';
import { canMove, type Instance, moveTo, type Phase } from './instance.js';

const LIMITS = { queueTimeoutMs: 600_000, startupTimeoutMs: 600_000, stopTimeoutMs: 300_000 };

function ask(action: UserAction, phase: Phase, overrides: Partial<Instance> = {}) {
  return decideRequest(action, anInstance({ phase, ...overrides }), [aPlacement()], 'key', seconds(60), LIMITS);
}

describe("a user's wish", () => {
  it.each<[UserAction, Phase, Phase]>([
    ['start', 'stopped', 'starting'],
    ['start', 'exited', 'starting'],
    ['stop', 'running', 'stopping'],
    ['stop', 'exited', 'stopped'],
    ['restart', 'running', 'restarting'],
    ['delete', 'queued', 'deleting'],
    ['delete', 'buying', 'deleting'],
    ['delete', 'running', 'deleting'],
    ['delete', 'failed', 'deleting'],
  ])('%s while %s leads to %s', (action, phase, next) => {
    expect(ask(action, phase)).toMatchObject({ kind: 'change', change: { after: { phase: next } } });
  });

  it.each<[UserAction, Phase]>([
    ['start', 'running'],
    ['start', 'starting'],
    ['stop', 'stopping'],
    ['stop', 'stopped'],
    ['restart', 'restarting'],
    ['delete', 'deleting'],
  ])('%s while %s is so already or on its way', (action, phase) => {
    expect(ask(action, phase).kind).toBe('done');
  });

  it.each<[UserAction, Phase]>([
    ['start', 'queued'],
    ['start', 'failed'],
    ['start', 'stopping'],
    ['stop', 'starting'],
    ['restart', 'stopped'],
    ['restart', 'deleting'],
  ])('%s while %s is illegal', (action, phase) => {
    expect(ask(action, phase).kind).toBe('illegal');
  });

  it('retires every machine that may exist when the instance is deleted', () => {
    const placements = [aPlacement({ id: 'a' }), aPlacement({ id: 'b', state: 'gone' })];

    const decision = decideRequest('delete', anInstance(), placements, 'key', seconds(60), LIMITS);

    expect(decision).toMatchObject({
      change: { placements: [{ id: 'a', state: 'retiring', nextCheckAt: seconds(60) }] },
    });
  });

  it('gives up what was bought to take over when a lost machine is started instead', () => {
    const placements = [aPlacement(), aPlacement({ id: 'plc-b', novitaId: 'machine-b' })];
    const instance = anInstance({ phase: 'exited', successorPlacementId: 'plc-b' });

    const decision = decideRequest('start', instance, placements, 'key', seconds(60), LIMITS);

    expect(decision).toMatchObject({
      change: { after: { successorPlacementId: null }, placements: [{ id: 'plc-b', state: 'retiring' }] },
    });
  });

  it('remembers that a stop was asked for, so that the exit after it is no loss', () => {
    expect(ask('stop', 'running')).toMatchObject({
      change: { after: { desired: 'stopped', stopRequestedAt: seconds(60), action: 'stop', actionSentAt: null } },
    });
  });
});

describe('the table of moves', () => {
  it('lets every phase that is not over be deleted', () => {
    const phases: Phase[] = [
      'queued',
      'buying',
      'provisioning',
      'pulling',
      'starting',
      'probing',
      'running',
      'stopping',
    ];

    expect(phases.filter((phase) => !canMove(phase, 'deleting'))).toEqual([]);
  });

  it('refuses a move that it does not hold', () => {
    expect(() => moveTo(anInstance({ phase: 'deleted' }), 'running', seconds(1))).toThrow('cannot move');
  });

  it('has a way back to the queue for a machine that vanishes while it restarts', () => {
    expect(canMove('restarting', 'queued')).toBe(true);
    expect(canMove('restarting', 'stopped')).toBe(true);
  });

  it('leaves the reason and the action of the former phase behind', () => {
    const instance = anInstance({ phase: 'stopping', action: 'stop', actionSentAt: seconds(1), reasonCode: 'X' });

    expect(moveTo(instance, 'stopped', seconds(2))).toMatchObject({
      action: null,
      actionSentAt: null,
      reasonCode: null,
    });
  });
});
