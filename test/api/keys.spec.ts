import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';
import { bearer, BOOTSTRAP, type ErrorAnswer, makeKey, type MadeKey } from './teams.js';

const REPLICAS = 4;
const REVOKED_WITHIN_MS = 5_000;

jest.setTimeout(180_000);

describe('keys', () => {
  let world: World;
  let admin: MadeKey;

  beforeAll(async () => {
    world = await World.start({ replicas: REPLICAS, env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    admin = await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] });
  });

  afterAll(() => world.stop());

  const statusWith = async (key: string, replica = world.service) =>
    (await replica.get('/api/instances', bearer(key))).status;
  const make = (scopes: string[], teamId = 'ml') => makeKey(world.service, admin.key, { teamId, scopes });

  it('have a prefix, an id and a checksum, are shown once, and are stored as a hash', async () => {
    const { id, key } = await make(['instances:read']);

    const shown = await world.service.get<Record<string, unknown>>(`/api/keys/${id}`, bearer(admin.key));
    const dump = await rowsOf('SELECT k::text AS row FROM api_keys k');

    expect(key).toMatch(new RegExp(`^ngpu_live_${id}_[0-9A-Za-z]{49}$`));
    expect(shown.body).toMatchObject({ id, teamId: 'ml', scopes: ['instances:read'], lastFour: key.slice(-4) });
    expect(JSON.stringify(shown.body)).not.toContain(key.slice(26, -4));
    expect(dump).not.toContain(key.slice(26, -4));
  });

  it.each([
    ['Authorization', (key: string) => ({ authorization: `Bearer ${key}` })],
    ['a scheme in any case', (key: string) => ({ authorization: `bEARER  ${key}` })],
    ['X-API-Key', (key: string) => ({ 'x-api-key': key })],
    ['both, when they say the same', (key: string) => ({ authorization: `Bearer ${key}`, 'x-api-key': key })],
  ])('are taken from %s', async (_, headers) => {
    const { key } = await make(['instances:read']);

    expect((await world.service.get('/api/instances', headers(key))).status).toBe(200);
  });

  it('are refused alike whatever is wrong with them', async () => {
    const { key } = await make(['instances:read']);
    const other = await make(['instances:read']);
    const wrongSecret = key.slice(0, -8) + (key.at(-8) === 'x' ? 'y' : 'x') + key.slice(-7);
    const attempts: Record<string, string>[] = [
      {},
      { authorization: 'Bearer' },
      { authorization: 'Bearer ' },
      { authorization: `Basic ${key}` },
      { authorization: key },
      { authorization: `Bearer ${key} ${key}` },
      { authorization: `Bearer ${key}`, 'x-api-key': other.key },
      { authorization: `Bearer ${wrongSecret}` },
      { authorization: `Bearer ${key.replace('ngpu_live', 'ngpu_test')}` },
      { 'x-api-key': 'x'.repeat(8_000) },
      { 'x-api-key': "' OR 1=1 --" },
    ];

    for (const headers of attempts) {
      const answer = await world.service.get<ErrorAnswer>('/api/instances', headers);

      expect({ headers, status: answer.status, code: answer.body.error.code }).toEqual({
        headers,
        status: 401,
        code: 'AUTHENTICATION_ERROR',
      });
      expect(answer.body.error.message).toBe('Invalid or missing API key');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  it('are not taken from the query, where proxies and logs would keep them', async () => {
    const { key } = await make(['instances:read']);

    const withoutHeader = await world.service.get(`/api/instances?api_key=${key}`);
    const withHeader = await world.service.get(`/api/instances?api_key=${key}`, bearer(key));

    expect([withoutHeader.status, withHeader.status]).toEqual([401, 400]);
  });

  it('are looked at before the body is', async () => {
    const answer = await fetch(`${world.service.url}/api/instances`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: 'x'.repeat(2_000_000),
    }).catch(() => null);

    // The service may have closed the connection before all of the body was sent.
    if (answer !== null) expect(answer.status).toBe(401);
    const valid = await world.service.post('/api/instances', { nonsense: true });
    expect(valid.status).toBe(401);
  });

  it('allow what their scopes say, and name the scope that is missing', async () => {
    const { key } = await make(['instances:read']);

    const read = await world.service.get('/api/instances', bearer(key));
    const write = await world.service.post<ErrorAnswer>('/api/instances', anOrder(), bearer(key));

    expect(read.status).toBe(200);
    expect(write.status).toBe(403);
    expect(write.body.error).toMatchObject({ code: 'INSUFFICIENT_SCOPE', details: { required: 'instances:write' } });
  });

  it('are refused by every replica within five seconds of their revocation', async () => {
    const { id, key } = await make(['instances:read']);
    for (const replica of world.services) expect(await statusWith(key, replica)).toBe(200);

    const answer = await world.service.send('DELETE', `/api/keys/${id}`, undefined, bearer(admin.key));
    const revokedAt = Date.now();

    expect(answer.status).toBe(200);
    let lastTakenAt = 0;
    for (const replica of world.services) {
      await eventually(async () => {
        const sentAt = Date.now();
        if ((await statusWith(key, replica)) === 401) return true;
        lastTakenAt = Math.max(lastTakenAt, sentAt);
        return false;
      }, 60_000);
    }
    expect(lastTakenAt - revokedAt).toBeLessThan(REVOKED_WITHIN_MS);
  });

  it('are refused from the instant that they expire', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const { key } = await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['instances:read'], expiresAt });

    expect(await statusWith(key)).toBe(200);
    await eventually(async () => (await statusWith(key)) === 401, 60_000);
    expect(Date.now()).toBeGreaterThanOrEqual(new Date(expiresAt).getTime());
  });

  it('are rotated with an overlap, in which both are good', async () => {
    const old = await make(['instances:read']);

    const answer = await world.service.post<MadeKey>(
      `/api/keys/${old.id}/rotate`,
      { overlapSeconds: 2 },
      bearer(admin.key),
    );

    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ teamId: 'ml', scopes: ['instances:read'], replaces: old.id });
    expect(await statusWith(answer.body.key)).toBe(200);
    await eventually(async () => (await statusWith(old.key)) === 401);
    expect(await statusWith(answer.body.key)).toBe(200);
  });

  it('cannot be given more scopes by anybody who has them, and the last admin key stays', async () => {
    const { id, key } = await make(['instances:read', 'instances:write']);

    const made = await world.service.post('/api/keys', { teamId: 'ml', scopes: ['admin'] }, bearer(key));
    const changed = await world.service.send('PATCH', `/api/keys/${id}`, { scopes: ['admin'] }, bearer(key));
    const last = await world.service.send<ErrorAnswer>('DELETE', `/api/keys/${admin.id}`, undefined, bearer(admin.key));

    expect([made.status, changed.status]).toEqual([403, 405]);
    expect([last.status, last.body.error.code]).toEqual([409, 'LAST_ADMIN_KEY']);
  });

  it('make the bootstrap key useless once there is one with the scope admin', async () => {
    await eventually(async () => (await statusWith(BOOTSTRAP)) === 401, 60_000);
  });

  it('never stand in a log', async () => {
    const { key } = await make(['instances:read']);

    await world.service.get(`/api/instances/${key}`, bearer(key));
    await world.service.send('DELETE', `/api/instances/${key}`, undefined, bearer(key));
    await world.service.send('DELETE', `/api/instances/x`, undefined, { 'x-api-key': BOOTSTRAP });

    await eventually(async () => world.service.lines.some((line) => line.includes('/api/instances/[secret]')));
    const lines = world.services.flatMap(({ lines }) => lines).join('\n');
    expect(lines).not.toContain(key.slice(26, -6));
    expect(lines).not.toContain(BOOTSTRAP);
  });

  async function rowsOf(statement: string): Promise<string> {
    const client = new pg.Client({ connectionString: world.database.url });
    await client.connect();
    try {
      return JSON.stringify((await client.query(statement)).rows);
    } finally {
      await client.end();
    }
  }
});
