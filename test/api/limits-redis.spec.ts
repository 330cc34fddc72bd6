import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { rowsOf } from '../support/database.js';
import { hasRedis, RedisServer } from '../support/redis-server.js';
import { eventually, World } from '../support/world.js';
import { listAs, storm } from './storm.js';
import { BOOTSTRAP, makeKey } from './teams.js';

const LIMIT = 200;
const REPLICAS = 4;

jest.setTimeout(240_000);

const suite = hasRedis
  ? describe
  : (name: string, _body: () => void) => {
      it(`${name}: there is no redis-server on this machine to count in`, () => expect(hasRedis).toBe(false));
    };

suite('rate limits in Redis', () => {
  let world: World;
  let redis: RedisServer;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    redis = await RedisServer.start();
    world = await World.start({
      replicas: REPLICAS,
      env: {
        BOOTSTRAP_ADMIN_KEY: BOOTSTRAP,
        REDIS_URL: redis.url,
        RATE_LIMIT_ENABLED: 'true',
        RATE_LIMIT_STATUS_PER_MINUTE: '100000',
        RATE_LIMIT_GENERAL_PER_HOUR: String(LIMIT),
      },
    });
    const admin = (await makeKey(world.service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] })).key;
    for (const name of ['storm', 'silence', 'loss', 'return'])
      keys[name] = (await makeKey(world.service, admin, { teamId: name, scopes: ['instances:read'] })).key;
  });

  afterAll(async () => {
    await world.stop();
    await redis.stop();
  });

  const key = (name: string) => keys[name] ?? '';
  const admittedOf = (answers: readonly { readonly status: number }[]) =>
    answers.filter(({ status }) => status === 200).length;
  const timesSaid = (text: string) =>
    world.services.map(({ lines }) => lines.filter((line) => line.includes(text)).length);
  /** Who asked in vain asks again after a second, and counts in the database until then. */
  const allCountInRedis = async () => {
    await eventually(() => {
      const [losses, returns] = [timesSaid('Redis is away'), timesSaid('Redis is back')];
      return Promise.resolve(losses.every((count, index) => count === returns[index]));
    }, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  };
  const rowsInDatabase = async () => (await rowsOf(world.database, 'SELECT 1 FROM rate_limit_windows')).length;

  it('are counted over all replicas: never more than they say, and nearly all of it', async () => {
    const answers = await storm(world.services, key('storm'), LIMIT * 10);

    const admitted = admittedOf(answers);
    expect(admitted).toBeLessThanOrEqual(LIMIT);
    expect(admitted).toBeGreaterThanOrEqual(LIMIT * 0.95);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(answers.length - admitted);
    for (const { headers } of answers) {
      expect(headers.get('x-ratelimit-limit')).toBe(String(LIMIT));
      expect(headers.get('ratelimit')).toMatch(/^"status";r=\d+;t=\d+, "general";r=\d+;t=\d+$/);
    }
  });

  it('leave the database alone', async () => {
    expect(await rowsInDatabase()).toBe(0);
  });

  it('hold in the database when Redis has fallen silent', async () => {
    redis.signal('SIGSTOP');
    try {
      const answers = await storm(world.services, key('silence'), LIMIT * 4);

      expect(admittedOf(answers)).toBeLessThanOrEqual(LIMIT);
      expect(admittedOf(answers)).toBeGreaterThanOrEqual(LIMIT * 0.95);
      expect(await rowsInDatabase()).toBeGreaterThan(0);
    } finally {
      redis.signal('SIGCONT');
    }
  });

  it('let in at most twice as much in the window in which Redis is lost', async () => {
    await allCountInRedis();
    const before = await storm(world.services, key('loss'), LIMIT / 2);

    await redis.stop();
    const after = await storm(world.services, key('loss'), LIMIT * 4);

    expect(admittedOf(before)).toBe(LIMIT / 2);
    expect(admittedOf(after)).toBeGreaterThan(LIMIT / 2);
    expect(admittedOf([...before, ...after])).toBeLessThanOrEqual(2 * LIMIT);
    // Whoever asks for a moment's patience is ready all the same.
    await eventually(async () => (await world.service.get('/health/ready')).status === 200, 60_000);
  });

  it('are counted in Redis again when it is back', async () => {
    const { port } = redis;
    redis = await RedisServer.start(port);
    await allCountInRedis();
    const before = await rowsInDatabase();

    const answers = await storm(world.services, key('return'), LIMIT * 4);

    expect(admittedOf(answers)).toBeLessThanOrEqual(LIMIT);
    expect(admittedOf(answers)).toBeGreaterThanOrEqual(LIMIT * 0.95);
    expect(await rowsInDatabase()).toBe(before);
    expect((await listAs(world.service, key('return'))).status).toBe(429);
  });
});
