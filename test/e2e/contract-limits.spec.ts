import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import type { Answer } from '../support/service-process.js';
import { World } from '../support/world.js';

interface Limits {
  readonly limit: number;
  readonly remaining: number;
  readonly reset: number;
}

let world: World;

/** The limits as they are by default; the proxy lets each test be a client of its own. */
beforeAll(async () => {
  world = await World.start({ env: { RATE_LIMIT_ENABLED: 'true', TRUSTED_PROXIES: '127.0.0.1' } });
});

afterAll(() => world.stop());

function limitsOf({ headers }: Answer<unknown>): Limits {
  const read = (name: string) => Number(headers.get(`x-ratelimit-${name}`) ?? NaN);
  return { limit: read('limit'), remaining: read('remaining'), reset: read('reset') };
}

/** Sends the same request until it is refused, one after another. */
async function sendUntilRefused(send: () => Promise<Answer<unknown>>, atMost: number): Promise<Answer<unknown>[]> {
  const answers: Answer<unknown>[] = [];
  while (answers.length < atMost && answers.at(-1)?.status !== 429) answers.push(await send());
  return answers;
}

describe('rate limits', () => {
  it.each([
    ['10 orders in a minute', 10, 60, () => world.service.post('/api/instances', anOrder(), from('192.0.2.1'))],
    ['100 status queries in a minute', 100, 60, () => world.service.get('/api/instances', from('192.0.2.2'))],
    ['1000 requests in an hour', 1000, 3600, () => world.service.get('/api/nothing', from('192.0.2.3'))],
  ])(
    'let %s pass, and count down in the headers of every answer',
    async (_, limit, windowSeconds, send) => {
      const startedAt = Math.floor(Date.now() / 1000);

      const answers = await sendUntilRefused(send, limit + 1);

      const passed = answers.slice(0, -1);
      expect(passed.map((answer) => limitsOf(answer).remaining)).toEqual(
        Array.from({ length: limit }, (_unused, index) => limit - 1 - index),
      );
      expect(answers.map((answer) => limitsOf(answer).limit)).toEqual(answers.map(() => limit));
      expect(passed.filter(({ status }) => status === 429)).toEqual([]);
      expect(answers.at(-1)).toMatchObject({ status: 429, body: { error: { code: 'RATE_LIMIT_EXCEEDED' } } });
      for (const answer of answers) {
        const { reset } = limitsOf(answer);
        expect(reset).toBeGreaterThanOrEqual(startedAt + windowSeconds);
        expect(reset).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + windowSeconds);
      }
    },
    120_000,
  );

  it('say on the 429 when to come back, and refuse nobody else', async () => {
    const answers = await sendUntilRefused(
      () => world.service.post('/api/instances', anOrder(), from('192.0.2.4')),
      11,
    );
    const someoneElse = await world.service.post('/api/instances', anOrder(), from('192.0.2.5'));

    const waitSeconds = Number(answers.at(-1)?.headers.get('retry-after'));
    expect(waitSeconds).toBeGreaterThan(0);
    expect(waitSeconds).toBeLessThanOrEqual(60);
    expect(someoneElse.status).toBe(201);
  });

  it.each([
    ['a refused order', 400, () => world.service.post('/api/instances', {}, from('192.0.2.6'))],
    ['an unknown instance', 404, () => world.service.get('/api/instances/inst-nobody', from('192.0.2.7'))],
    ['an unknown route', 404, () => world.service.get('/api/nothing', from('192.0.2.8'))],
    ['a wrong method', 405, () => world.service.send('PUT', '/api/instances', {}, from('192.0.2.9'))],
  ])('stand in the headers of %s too', async (_, status, send) => {
    const answer = await send();

    const { limit, remaining, reset } = limitsOf(answer);
    expect(answer.status).toBe(status);
    expect([10, 100, 1000]).toContain(limit);
    expect(remaining).toBe(limit - 1);
    expect(reset).toBeGreaterThan(Date.now() / 1000);
  });

  it('can be switched off', async () => {
    const free = await world.addService({ RATE_LIMIT_ENABLED: 'false' });

    const answers = await Promise.all(Array.from({ length: 12 }, () => free.post('/api/instances', {})));

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400));
    expect(answers[0]?.headers.get('x-ratelimit-limit')).toBeNull();
  }, 120_000);
});

function from(client: string): Record<string, string> {
  return { 'x-forwarded-for': client };
}
