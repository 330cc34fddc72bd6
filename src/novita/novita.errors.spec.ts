import { describe, expect, it } from '@jest/globals';
import { classifyRefusal } from './novita.errors.js';
import { toCreatedId, toMachinePage, toRefusal, toStatus } from './novita.wire.js';

describe('what an upstream refusal means', () => {
  it.each([
    [500, null, '', 'unavailable'],
    [502, null, '<html>', 'unavailable'],
    [429, null, '', 'rate-limited'],
    [400, 'INSUFFICIENT_RESOURCE', '', 'no-capacity'],
    [400, null, 'MIGRATE_INSUFFICIENT_RESOURCE: none left', 'no-capacity'],
    [400, 'BALANCE_NOT_ENOUGH', '', 'balance'],
    [403, null, 'quota exceeded', 'quota'],
    [400, 'CREATE_INSTANCE_LIMIT', '', 'quota'],
    [404, null, '', 'not-found'],
    [400, 'INSTANCE_NOT_FOUND', '', 'not-found'],
    [400, null, 'instance not found', 'not-found'],
    [400, 'CONFLICT', '', 'wrong-state'],
    [400, null, 'invalid state change', 'wrong-state'],
    [401, null, '', 'auth'],
    [403, 'INVALID_API_KEY', '', 'auth'],
    [400, null, 'bad field', 'invalid'],
  ])('%s %s %s is %s', (status, reason, message, errorClass) => {
    expect(classifyRefusal({ status, reason, message })).toBe(errorClass);
  });

  it.each<[string, unknown, string | null, string]>([
    ['the documented form', { reason: 'CONFLICT', message: 'no' }, 'CONFLICT', 'no'],
    ['an older form', { error: { code: 'NOT_ENOUGH', message: 'no' } }, 'NOT_ENOUGH', 'no'],
    ['words instead of a code', { reason: 'please try later', msg: 'busy' }, null, 'busy'],
    ['no JSON', '<html>', null, '<html>'],
    ['nothing', undefined, null, ''],
  ])('is read from %s', (_text, body, reason, message) => {
    expect(toRefusal(400, body)).toEqual({ status: 400, reason, message });
  });
});

describe('upstream JSON', () => {
  it.each([
    ['toCreate', 'creating'],
    ['RUNNING', 'running'],
    ['toBeExited', 'stopping'],
    ['terminated', 'removed'],
    ['hibernating', 'other'],
    ['', 'other'],
  ])('calls the status %s %s', (raw, status) => {
    expect(toStatus(raw)).toBe(status);
  });

  it.each<[string, unknown, string | null]>([
    ['an id', { id: 'a' }, 'a'],
    ['an id inside of data', { data: { id: 'a' } }, 'a'],
    ['no id', {}, null],
    ['a page', '<html>', null],
  ])('names what was created: %s', (_text, body, id) => {
    expect(toCreatedId(body)).toBe(id);
  });

  it('is not a page of machines when it holds no list', () => {
    expect(toMachinePage({ message: 'ok' })).toBeNull();
    expect(toMachinePage('<html>')).toBeNull();
  });

  it('reads machines with numbers in strings and fields that are absent', () => {
    const page = toMachinePage({
      instances: [{ id: 'a', status: 'running', createdAt: '1772366400' }, {}],
      total: '2',
    });

    expect(page?.total).toBe(2);
    expect(page?.machines).toHaveLength(1);
    expect(page?.machines[0]).toMatchObject({ id: 'a', name: '', statusError: '', reclaimAt: null });
    expect(page?.machines[0]?.createdAt).toEqual(new Date('2026-03-01T12:00:00Z'));
  });
});
