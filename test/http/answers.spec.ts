import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { FinishedRequest } from '../../src/platform/http/front-door.js';
import { errorIn } from './error-shape.js';
import { type RunningServer, startServer } from './http-server.js';

let server: RunningServer;
const finished: FinishedRequest[] = [];
beforeAll(async () => {
  server = await startServer({ onFinished: (request) => finished.push(request) });
});
afterAll(() => server.close());
beforeEach(() => {
  server.lines.splice(0);
  finished.splice(0);
});

const TARGETS = [
  '/api/instances',
  '/api/instances/nope',
  '/nowhere',
  '/api/instances/%ff',
  '/health/live',
  '/api/failing',
];

/** The line about a request is written when its connection is done with it, which may be after the answer was read. */
async function settled(count: number): Promise<void> {
  for (let i = 0; i < 200 && finished.length < count; i++) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('every answer', () => {
  it.each(TARGETS)('is not to be sniffed or kept, and does not say what runs here: %s', async (target) => {
    const { headers } = await fetch(server.url + target, { headers: { origin: 'https://elsewhere.example' } });

    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect([...headers.keys()].filter((name) => /^server$|powered-by|^access-control/.test(name))).toEqual([]);
  });

  it.each(TARGETS)('carries the request id that came with the request: %s', async (target) => {
    const response = await fetch(server.url + target, { headers: { 'x-request-id': 'client-1.2_3' } });

    expect(response.headers.get('x-request-id')).toBe('client-1.2_3');
  });

  it.each([
    ['none', undefined],
    ['too long', 'a'.repeat(129)],
    ['with a space', 'a b'],
    ['with a quote', 'a"b'],
    ['with a letter of Latin-1', 'caf\u00e9'],
    ['empty', ''],
  ])('gets a request id of its own when the one that came is unfit: %s', async (_, id) => {
    const response = await fetch(
      `${server.url}/api/instances`,
      id === undefined ? {} : { headers: { 'x-request-id': id } },
    );

    expect(response.headers.get('x-request-id')).toMatch(/^req-[A-Za-z0-9_-]{12}$/);
  });

  it('has an id of its own', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`${server.url}/nowhere`)).headers.get('x-request-id')),
    );

    expect(new Set(ids).size).toBe(20);
  });
});

describe('a preflight request', () => {
  it('is told nothing that would let another origin in', async () => {
    const response = await fetch(`${server.url}/api/instances`, {
      method: 'OPTIONS',
      headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'POST' },
    });

    await errorIn(response, 405, 'METHOD_NOT_ALLOWED');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('what is reported about requests', () => {
  it('names the template of the route and never the address', async () => {
    await fetch(`${server.url}/api/instances/known`);
    await fetch(`${server.url}/nowhere/4711`);
    await fetch(`${server.url}/api/instances/%ff`);
    await settled(3);

    expect(finished.map(({ method, route, status }) => [method, route, status])).toEqual([
      ['GET', '/api/instances/:instanceId', 200],
      ['GET', 'unmatched', 404],
      ['GET', 'unmatched', 400],
    ]);
    expect(finished.every(({ durationMs, aborted }) => durationMs > 0 && !aborted)).toBe(true);
  });

  it('counts neither what a caller wanted to wait nor how long a stream lasts as the time of the service', async () => {
    await fetch(`${server.url}/api/held`, { headers: { prefer: 'wait=1' } });
    await (await fetch(`${server.url}/api/stream`)).text();
    await settled(2);

    for (const { durationMs, servedMs } of finished) {
      expect(durationMs).toBeGreaterThanOrEqual(950);
      expect(durationMs - servedMs).toBeGreaterThanOrEqual(950);
    }
  });

  it('is one line a request: debug for reads, info for writes, a warning for failures', async () => {
    await fetch(`${server.url}/api/instances/known?token=hush`);
    await fetch(`${server.url}/api/instances/known`, { method: 'DELETE' });
    await fetch(`${server.url}/api/failing`);
    await settled(3);

    const lines = server.lines.filter((line) => 'durationMs' in line.fields);
    expect(lines.map((line) => [line.level, line.fields['status']])).toEqual([
      ['debug', 400],
      ['info', 202],
      ['warn', 500],
    ]);
    expect(lines[0]!.fields).toMatchObject({ path: '/api/instances/known', caller: '127.0.0.1' });
    expect(JSON.stringify(server.lines)).not.toContain('hush');
  });
});
