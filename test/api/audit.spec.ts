import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';
import { bearer, BOOTSTRAP, makeKey, type MadeKey } from './teams.js';

jest.setTimeout(180_000);

interface Entry {
  readonly position: string;
  readonly teamId?: string;
  readonly actor: string;
  readonly action: string;
  readonly target?: string;
  readonly outcome: string;
  readonly status?: number;
  readonly errorCode?: string;
  readonly requestId: string;
  readonly ip: string;
  readonly beforeHash?: string;
  readonly afterHash?: string;
}

describe('the audit trail', () => {
  let world: World;
  let admin: MadeKey;
  let user: MadeKey;

  beforeAll(async () => {
    world = await World.start({ env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    admin = await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] });
    user = await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['instances:read', 'instances:write'] });
  });

  afterAll(() => world.stop());

  const entries = async (query: string) => {
    const { body } = await world.service.get<{ entries: Entry[] }>(`/api/audit?${query}`, bearer(admin.key));
    return body.entries;
  };
  const entryOf = (requestId: string) => eventually(async () => (await entries(`requestId=${requestId}`))[0], 60_000);

  it('says who changed what from where, in the transaction of the change', async () => {
    const created = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(), {
      ...bearer(user.key),
      'x-request-id': 'audit-create',
    });

    // Read at once: the entry is there with the instance, not soon after it.
    const [entry] = await entries('requestId=audit-create');

    expect(entry).toMatchObject({
      teamId: 'ml',
      actor: user.id,
      action: 'createInstance',
      target: created.body.instanceId,
      outcome: 'accepted',
      status: 201,
      ip: '127.0.0.1',
    });
  });

  it('holds keys that were made, rotated and revoked', async () => {
    const made = await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['metrics:read'] });
    await world.service.post(`/api/keys/${made.id}/rotate`, {}, bearer(admin.key));
    await world.service.send('DELETE', `/api/keys/${made.id}`, undefined, bearer(admin.key));

    const found = await entries(`target=${made.id}`);

    expect(found.map(({ action, actor, outcome }) => [action, actor, outcome])).toEqual([
      ['revokeKey', admin.id, 'accepted'],
      ['rotateKey', admin.id, 'accepted'],
      ['createKey', admin.id, 'accepted'],
    ]);
  });

  it.each([
    ['without a key', 'nobody', 401, 'denied', 'AUTHENTICATION_ERROR'],
    ['with too little', 'user', 403, 'denied', 'INSUFFICIENT_SCOPE'],
    ['for what does not exist', 'admin', 404, 'failed', 'INSTANCE_NOT_FOUND'],
  ] as const)('holds attempts %s', async (_, who, status, outcome, errorCode) => {
    const key = { nobody: null, user, admin }[who];
    const headers = key === null ? {} : bearer(key.key);
    const requestId = `audit-${status}`;

    const answer = await world.service.send('DELETE', '/api/instances/inst-none', undefined, {
      ...headers,
      'x-request-id': requestId,
    });

    expect(answer.status).toBe(status);
    expect(await entryOf(requestId)).toMatchObject({
      action: 'deleteInstance',
      target: 'inst-none',
      outcome,
      errorCode,
      actor: key?.id ?? 'unknown',
    });
  });

  it('holds no key that was pasted into an address', async () => {
    const keys = [user.key, `${user.key}-${admin.key}`];

    for (const [index, key] of keys.entries())
      await world.service.send('DELETE', `/api/instances/${key}`, undefined, {
        ...bearer(admin.key),
        'x-request-id': `audit-pasted-${index}`,
      });

    expect(await entryOf('audit-pasted-0')).toMatchObject({ target: '[secret]', outcome: 'failed' });
    expect((await entryOf('audit-pasted-1')).target).toBe('[secret]-[secret]');
  });

  it('tells a request that had nothing to do from one that had', async () => {
    const send = (requestId: string) =>
      world.service.post('/api/instances', anOrder({ name: 'twice' }), {
        ...bearer(user.key),
        'idempotency-key': 'twice',
        'x-request-id': requestId,
      });

    await send('audit-first');
    await send('audit-second');

    expect((await entryOf('audit-first')).outcome).toBe('accepted');
    expect((await entryOf('audit-second')).outcome).toBe('unchanged');
  });

  it('has one entry for each request that had an effect, and no reader leaves any', async () => {
    await world.service.get('/api/instances', { ...bearer(user.key), 'x-request-id': 'audit-read' });
    await world.service.post('/api/instances', anOrder({ name: 'once' }), {
      ...bearer(user.key),
      'x-request-id': 'audit-once',
    });
    await world.service.send('DELETE', '/api/instances/inst-none', undefined, { 'x-request-id': 'audit-after' });
    await entryOf('audit-after');

    expect(await entries('requestId=audit-once')).toHaveLength(1);
    expect(await entries('requestId=audit-read')).toEqual([]);
  });

  it('says what the thing was before and after, as hashes that follow each other', async () => {
    const made = await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['metrics:read'] });
    await world.service.send('DELETE', `/api/keys/${made.id}`, undefined, bearer(admin.key));
    await world.service.send('DELETE', `/api/keys/${made.id}`, undefined, bearer(admin.key));

    const [again, revoked, created] = await entries(`target=${made.id}`);

    expect(created).not.toHaveProperty('beforeHash');
    expect(created?.afterHash).toMatch(/^[0-9a-f]{64}$/);
    expect(revoked?.beforeHash).toBe(created?.afterHash);
    expect(revoked?.afterHash).not.toBe(revoked?.beforeHash);
    expect([again?.beforeHash, again?.afterHash]).toEqual([revoked?.afterHash, revoked?.afterHash]);
  });

  it('has an entry for every start, which tells whether the settings changed', async () => {
    await world.addService();
    await world.addService({ QUEUE_TIMEOUT_SECONDS: '601' });
    await world.addService({ QUEUE_TIMEOUT_SECONDS: '601', WEBHOOK_SECRET: 'another-secret-of-the-tests' });

    const starts = await eventually(async () => {
      const found = await entries('action=startService');
      return found.length === 4 && found.toReversed();
    }, 60_000);

    const [first, same, other, otherSecret] = starts;
    expect(first).not.toHaveProperty('beforeHash');
    expect(same).toMatchObject({ beforeHash: first?.afterHash, afterHash: first?.afterHash });
    expect(other?.beforeHash).toBe(first?.afterHash);
    expect(other?.afterHash).not.toBe(first?.afterHash);
    // A secret is only there or not: its hash could be guessed.
    expect(otherSecret?.afterHash).toBe(other?.afterHash);
  });

  it('is never changed', async () => {
    const client = new pg.Client({ connectionString: world.database.url });
    await client.connect();

    await expect(client.query("UPDATE audit_entries SET actor = 'nobody'")).rejects.toThrow(/never changed/);
    await expect(client.query('DELETE FROM audit_entries')).rejects.toThrow(/never changed/);

    await client.end();
  });
});
