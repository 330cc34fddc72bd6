import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';
import { bearer, BOOTSTRAP, type ErrorAnswer, makeKey, type MadeKey } from './teams.js';

const CAP = 10;
const ORDERS = Number(process.env['CAPPED_ORDERS'] ?? 300);
const AT_ONCE = 100;

jest.setTimeout(240_000);

describe('a key that may have so many instances at once', () => {
  let world: World;
  let admin: MadeKey;
  let capped: MadeKey;
  const ids: string[] = [];

  beforeAll(async () => {
    world = await World.start({ replicas: 2, env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    admin = await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] });
    const scopes = ['instances:read', 'instances:write', 'instances:delete'];
    capped = await makeKey(world.service, admin.key, { teamId: 'ml', scopes, maxInstances: CAP });
  });

  afterAll(() => world.stop());

  const order = (key: string, index: number, headers: Record<string, string> = {}) =>
    world.services[index % 2]!.post<{ instanceId: string } & ErrorAnswer>(
      '/api/instances',
      anOrder({ name: `order-${index}` }),
      { ...bearer(key), ...headers },
    );

  it(`gets exactly ${CAP} out of ${ORDERS} orders at once`, async () => {
    const statuses: number[] = [];
    let next = 0;
    const sender = async () => {
      while (next < ORDERS) {
        const { status, body } = await order(capped.key, next++);
        statuses.push(status);
        if (status === 201) ids.push(body.instanceId);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, sender));

    const listed = await world.service.get<{ total: number }>('/api/instances', bearer(capped.key));
    expect(ids).toHaveLength(CAP);
    expect(listed.body.total).toBe(CAP);
    // Whoever could not be served in time was told to come again, and got nothing.
    expect(statuses.filter((status) => ![201, 409, 503].includes(status))).toEqual([]);
  });

  it('is told how many it may have, and keeps its safe retries', async () => {
    const refused = await order(capped.key, 0, { 'idempotency-key': 'over-the-cap' });
    const again = await order(capped.key, 0, { 'idempotency-key': 'over-the-cap' });

    for (const { status, body } of [refused, again]) {
      expect(status).toBe(409);
      expect(body.error).toMatchObject({ code: 'INSTANCE_LIMIT_REACHED', details: { maxInstances: CAP } });
    }
  });

  it('shares its number with the key that takes over from it, and with no other', async () => {
    const rotated = await world.service.post<MadeKey & { maxInstances: number }>(
      `/api/keys/${capped.id}/rotate`,
      {},
      bearer(admin.key),
    );
    const other = await makeKey(world.service, admin.key, { teamId: 'ml', scopes: ['instances:write'] });

    expect(rotated.body.maxInstances).toBe(CAP);
    expect((await order(rotated.body.key, 1)).status).toBe(409);
    expect((await order(other.key, 1)).status).toBe(201);
  });

  it('may order again when one of them is gone', async () => {
    const [id = ''] = ids;
    await world.service.send('DELETE', `/api/instances/${id}`, undefined, bearer(capped.key));
    await eventually(
      async () => (await world.service.get(`/api/instances/${id}`, bearer(capped.key))).status === 404,
      60_000,
    );

    const statuses = await Promise.all([0, 1, 2].map(async (index) => (await order(capped.key, index)).status));

    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 409, 409]);
  });

  it('cannot be made with a number that is none', async () => {
    const answer = await world.service.post<ErrorAnswer>(
      '/api/keys',
      { teamId: 'ml', scopes: ['instances:write'], maxInstances: 0 },
      bearer(admin.key),
    );

    expect(answer.status).toBe(400);
    expect(answer.body.error.details).toMatchObject({ field: 'maxInstances' });
  });
});
