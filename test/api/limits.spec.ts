import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { World } from '../support/world.js';
import { listAs, storm } from './storm.js';
import { formatApiKey } from '../../src/platform/http/auth/api-key.js';
import { bearer, BOOTSTRAP, makeKey } from './teams.js';

const LIMIT = 200;
const REPLICAS = 4;

jest.setTimeout(240_000);

describe('rate limits', () => {
  let world: World;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    world = await World.start({
      replicas: REPLICAS,
      env: {
        BOOTSTRAP_ADMIN_KEY: BOOTSTRAP,
        RATE_LIMIT_ENABLED: 'true',
        TRUSTED_PROXIES: '127.0.0.1',
        RATE_LIMIT_STATUS_PER_MINUTE: '100000',
        RATE_LIMIT_GENERAL_PER_HOUR: String(LIMIT),
      },
    });
    const admin = (await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] })).key;
    for (const name of ['storm', 'calm'])
      keys[name] = (await makeKey(world.service, admin, { teamId: name, scopes: ['instances:read'] })).key;
  });

  afterAll(() => world.stop());

  it('are counted over all replicas: never more than they say, and nearly all of it', async () => {
    const answers = await storm(world.services, keys['storm'] ?? '', LIMIT * 10);

    const admitted = answers.filter(({ status }) => status === 200).length;
    const refused = answers.filter(({ status }) => status === 429);
    expect(admitted).toBeLessThanOrEqual(LIMIT);
    expect(admitted).toBeGreaterThanOrEqual(LIMIT * 0.95);
    expect(admitted + refused.length).toBe(answers.length);
    for (const { headers, status } of answers) {
      expect(headers.get('x-ratelimit-limit')).toBe(String(LIMIT));
      expect(headers.get('x-ratelimit-reset')).toMatch(/^\d{10}$/);
      expect(headers.get('ratelimit-policy')).toBe(`"status";q=100000;w=60, "general";q=${LIMIT};w=3600`);
      expect(headers.get('ratelimit')).toMatch(/^"status";r=\d+;t=\d+, "general";r=\d+;t=\d+$/);
      if (status === 429) expect(Number(headers.get('retry-after'))).toBeGreaterThan(3_000);
    }
  });

  it('are counted for each key alone, whatever address it comes from', async () => {
    const spent = await listAs(world.service, keys['storm'] ?? '');
    const other = await listAs(world.service, keys['calm'] ?? '');

    expect([spent.status, other.status]).toEqual([429, 200]);
  });

  it('count addresses that do not exist, for the key that asks for them', async () => {
    const before = await listAs(world.service, keys['calm'] ?? '', '/api/nowhere');
    const after = await listAs(world.service, keys['calm'] ?? '', '/nowhere');

    expect([before.status, after.status]).toEqual([404, 404]);
    const left = [before, after].map(({ headers }) => Number(headers.get('x-ratelimit-remaining')));
    expect(left[1]).toBe((left[0] ?? 0) - 1);
    expect((await listAs(world.service, keys['storm'] ?? '', '/nowhere')).status).toBe(429);
  });

  it('slow down whoever tries one key from many addresses, but not its owner', async () => {
    const right = keys['calm'] ?? '';
    const [prefix, environment, id] = right.split('_');
    const guess = (index: number) => {
      const body = `${prefix}_${environment}_${id}_${String(index).padStart(43, 'x')}`;
      return formatApiKey(environment ?? '', id ?? '', body.slice(-43));
    };
    const from = (index: number, key: string) =>
      fetch(`${world.services[1]?.url}/api/instances?limit=1`, {
        headers: { ...bearer(key), 'x-forwarded-for': `203.0.113.${index}` },
      }).then(async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      });

    const statuses: number[] = [];
    for (let i = 0; i < 70; i += 1) statuses.push(await from(i, guess(i)));

    expect(statuses.slice(0, 50)).toEqual(Array<number>(50).fill(401));
    expect(statuses.at(-1)).toBe(429);
    expect(await from(1, right)).toBe(200);
  });

  it('slow down whoever tries keys', async () => {
    const guess = `ngpu_live_key0000000000000000_${'x'.repeat(49)}`;

    const statuses: number[] = [];
    for (let i = 0; i < 70; i += 1) statuses.push((await listAs(world.service, guess)).status);

    expect(statuses.slice(0, 50)).toEqual(Array<number>(50).fill(401));
    expect(statuses.at(-1)).toBe(429);
    expect((await listAs(world.service, keys['calm'] ?? '')).status).toBe(200);
  });
});
