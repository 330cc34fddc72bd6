import { describe, expect, it } from '@jest/globals';
import type { KeptAuditEntry } from './audit.repository.js';
import { BEFORE_THE_FIRST, hashOf, sealOf } from './seal.js';
import { stateHash } from './state-hash.js';

const AT = new Date('2026-03-01T12:00:00Z');

function anEntry(overrides: Partial<KeptAuditEntry> = {}): KeptAuditEntry {
  return {
    position: 7n,
    txId: 9n,
    at: AT,
    teamId: 'ml',
    actor: 'key1',
    action: 'deleteInstance',
    method: 'DELETE',
    route: '/api/instances/:instanceId',
    target: 'inst-a',
    outcome: 'accepted',
    status: 202,
    errorCode: null,
    requestId: 'req-a',
    ip: '10.1.2.3',
    beforeHash: 'aa',
    afterHash: 'bb',
    ...overrides,
  };
}

describe('a seal', () => {
  it('names the last entry of its batch and follows the one before', () => {
    const first = sealOf(BEFORE_THE_FIRST, [anEntry(), anEntry({ position: 8n })], AT);
    const second = sealOf(first, [anEntry({ txId: 10n, position: 3n })], AT);

    expect(first).toMatchObject({ number: 1n, throughTxId: 9n, throughPosition: 8n, entries: 2 });
    expect(second).toMatchObject({ number: 2n, throughTxId: 10n, throughPosition: 3n, entries: 1 });
    expect(second.hash).not.toBe(hashOf(2n, BEFORE_THE_FIRST.hash, [anEntry({ txId: 10n, position: 3n })]));
  });

  it.each(Object.keys(anEntry()) as (keyof KeptAuditEntry)[])('is another one when %s is another', (column) => {
    const value = anEntry()[column];
    const other = value instanceof Date ? new Date(0) : typeof value === 'bigint' ? value + 1n : 'something else';

    const changed = { ...anEntry(), [column]: other } as KeptAuditEntry;

    expect(hashOf(1n, 'x', [changed])).not.toBe(hashOf(1n, 'x', [anEntry()]));
  });

  it('tells entries apart whose texts only look alike when they are put together', () => {
    const one = hashOf(1n, 'x', [anEntry({ actor: 'a', action: 'b","c' })]);
    const other = hashOf(1n, 'x', [anEntry({ actor: 'a","b', action: 'c' })]);

    expect(one).not.toBe(other);
  });
});

describe('the hash of a state', () => {
  it('does not depend on the order of its keys, and on everything else', () => {
    const state = { b: [1, { c: AT, d: 5n }], a: null, e: Buffer.from('x') };

    expect(stateHash(state)).toBe(stateHash({ e: Buffer.from('x'), a: null, b: [1, { d: 5n, c: AT }] }));
    expect(stateHash(state)).not.toBe(stateHash({ ...state, b: [{ c: AT, d: 5n }, 1] }));
    expect(stateHash({ a: 5n })).not.toBe(stateHash({ a: '5n' }));
  });
});
