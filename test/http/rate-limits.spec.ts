import { afterEach, describe, expect, it } from '@jest/globals';
import type { HttpSettings } from '../../src/platform/http/configure-http.js';
import { type RateLimitRecord, RateLimitStorage } from '../../src/platform/http/rate-limit/rate-limit-storage.js';
import { errorIn, lastAnswerIn } from './error-shape.js';
import { type RunningServer, startServer } from './http-server.js';

let server: RunningServer;
afterEach(() => server.close());

async function start(limits: Partial<HttpSettings['rateLimit']>, more: Partial<HttpSettings> = {}): Promise<void> {
  const rateLimit = { enabled: true, createPerMinute: 10, statusPerMinute: 100, generalPerHour: 1000, ...limits };
  server = await startServer({ rateLimit, ...more });
}

function create(headers: Record<string, string> = {}, body = '{"name":"a"}'): Promise<Response> {
  return fetch(`${server.url}/api/instances`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
}

function shown(response: Response): [string | null, string | null] {
  return [response.headers.get('x-ratelimit-limit'), response.headers.get('x-ratelimit-remaining')];
}

class BrokenStorage extends RateLimitStorage {
  override increment(): Promise<RateLimitRecord> {
    return Promise.reject(new Error('Connection terminated unexpectedly'));
  }
}

describe('the limit on creating', () => {
  it('lets in as many as it says, counts down, and refuses the next one with all headers', async () => {
    await start({});

    const responses: Response[] = [];
    for (let i = 0; i < 11; i++) responses.push(await create());

    expect(responses.map((response) => response.status)).toEqual([...Array<number>(10).fill(201), 429]);
    expect(responses.map((response) => Number(response.headers.get('x-ratelimit-remaining')))).toEqual([
      9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0,
    ]);
    const refused = responses[10]!;
    expect(refused.headers.get('x-ratelimit-limit')).toBe('10');
    const resetsIn = Number(refused.headers.get('x-ratelimit-reset')) - Date.now() / 1000;
    expect(resetsIn).toBeGreaterThan(50);
    expect(resetsIn).toBeLessThanOrEqual(61);
    expect(Math.abs(Number(refused.headers.get('retry-after')) - resetsIn)).toBeLessThan(2);
    await errorIn(refused, 429, 'RATE_LIMIT_EXCEEDED');
  });

  it('counts requests that are refused for other reasons, and shows itself on those too', async () => {
    await start({ createPerMinute: 3 });

    const invalid = await create({}, '{');
    const unsupported = await create({ 'content-type': 'text/plain' });
    const last = await create({}, '{"name":"a","id":"x"}');

    expect([invalid, unsupported, last].map((response) => [response.status, ...shown(response)])).toEqual([
      [400, '3', '2'],
      [415, '3', '1'],
      [400, '3', '0'],
    ]);
    expect((await create()).status).toBe(429);
  });

  it('is not escaped by writing the address in another way', async () => {
    await start({ createPerMinute: 1 });
    await create();

    const again = await fetch(`${server.url}/api/%69nstances`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"a"}',
    });

    expect(again.status).toBe(429);
  });

  it('lets in exactly as many as it says when they come at once', async () => {
    await start({});

    const responses = await Promise.all(Array.from({ length: 40 }, () => create()));

    expect(responses.filter((response) => response.status === 201)).toHaveLength(10);
  });

  it('does not spend the hour of a caller whom it refuses', async () => {
    await start({ createPerMinute: 1, generalPerHour: 3 });

    for (let i = 0; i < 5; i++) await create();

    expect((await fetch(`${server.url}/api/instances`)).status).toBe(200);
  });
});

describe('the other limits', () => {
  it('show the tightest of those that apply', async () => {
    await start({ statusPerMinute: 5, generalPerHour: 4 });

    const list = await fetch(`${server.url}/api/instances`);
    const one = await fetch(`${server.url}/api/instances/known`);
    const failing = await fetch(`${server.url}/api/failing`);

    expect([list, one, failing].map(shown)).toEqual([
      ['4', '3'],
      ['4', '2'],
      ['4', '1'],
    ]);
  });

  it('count addresses that do not exist, wrong methods, and paths that cannot be decoded', async () => {
    await start({ generalPerHour: 6 });

    const responses = [
      await fetch(`${server.url}/nowhere`),
      await fetch(`${server.url}/api/instances`, { method: 'PUT' }),
      await fetch(`${server.url}/api/instances/%ff`),
      await fetch(`${server.url}/health/nowhere`),
    ];
    const asterisk = await server.raw('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');

    expect(responses.map((response) => [response.status, ...shown(response)])).toEqual([
      [404, '6', '5'],
      [405, '6', '4'],
      [400, '6', '3'],
      [404, '6', '2'],
    ]);
    expect(lastAnswerIn(asterisk.text).head).toMatch(/^x-ratelimit-remaining: 1/im);
    expect((await fetch(`${server.url}/nowhere`)).status).toBe(404);
    await errorIn(await fetch(`${server.url}/nowhere`), 429, 'RATE_LIMIT_EXCEEDED');
  });

  it('leave health and documents alone', async () => {
    await start({ generalPerHour: 1 });
    await fetch(`${server.url}/nowhere`);

    for (const path of ['/health/live', '/docs', '/docs/openapi.json']) {
      const response = await fetch(server.url + path);

      expect([path, response.status, ...shown(response)]).toEqual([path, 200, null, null]);
    }
  });

  it('can be switched off', async () => {
    await start({ enabled: false, createPerMinute: 1 });

    const statuses = [(await create()).status, (await create()).status];

    expect(statuses).toEqual([201, 201]);
  });

  it('are kept by each process for itself while the shared store is away', async () => {
    await start({ createPerMinute: 1 }, { rateLimitStorage: new BrokenStorage() });

    const statuses = [(await create()).status, (await create()).status];

    expect(statuses).toEqual([201, 429]);
  });
});

describe('who is counted', () => {
  const forwarded = ['203.0.113.7', '203.0.113.8'].map((address) => ({
    'x-forwarded-for': address,
    forwarded: `for=${address}`,
    'x-real-ip': address,
  }));

  it('is the socket’s address, whatever the headers say', async () => {
    await start({ createPerMinute: 1 });

    const statuses = [(await create(forwarded[0])).status, (await create(forwarded[1])).status];

    expect(statuses).toEqual([201, 429]);
  });

  it('is the address that a trusted proxy names', async () => {
    await start({ createPerMinute: 1 }, { trustedProxies: ['127.0.0.0/8'] });

    const statuses = [(await create(forwarded[0])).status, (await create(forwarded[1])).status];

    expect(statuses).toEqual([201, 201]);
  });

  it('is the rightmost address that no trusted proxy has, so that callers cannot add their own', async () => {
    await start({ createPerMinute: 1 }, { trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });

    const first = await create({ 'x-forwarded-for': '1.1.1.1, 203.0.113.7, 10.0.0.3' });
    const second = await create({ 'x-forwarded-for': '2.2.2.2, 203.0.113.7, 10.0.0.4' });

    expect([first.status, second.status]).toEqual([201, 429]);
  });

  it('is the proxy when what it names is no address', async () => {
    await start({ createPerMinute: 1 }, { trustedProxies: ['127.0.0.1'] });

    const first = await create({ 'x-forwarded-for': 'anything' });
    const second = await create({ 'x-forwarded-for': 'something else' });

    expect([first.status, second.status]).toEqual([201, 429]);
  });
});
