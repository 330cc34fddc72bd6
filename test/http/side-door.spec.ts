import { afterEach, describe, expect, it } from '@jest/globals';
import type { HttpSettings } from '../../src/platform/http/configure-http.js';
import type { FinishedRequest } from '../../src/platform/http/front-door.js';
import { type RunningServer, startServer } from './http-server.js';

const PLAIN = ['GET /health/live HTTP/1.1', 'Host: a', 'User-Agent: kube-probe/1.33', 'Accept: */*'];
const AHEAD = '{"status":"ok"}';
const ROUTED = '{"status":"healthy"}';

/** A log that tells of requests only when something is wrong with them. */
const quiet = {
  isLevelEnabled: (level) => level !== 'debug',
  debug() {},
  info() {},
  warn() {},
  error() {},
} satisfies HttpSettings['log'];

let server: RunningServer;
afterEach(() => server.close());

const start = async (overrides: Partial<HttpSettings> = {}) => {
  const standingAnswers = [{ path: '/health/live', body: { status: 'ok' } }];
  server = await startServer({ log: quiet, standingAnswers, ...overrides });
};
/** By where the body came from. */
const send = async (...head: string[]) => (await server.raw([...head, 'Connection: close', '', ''].join('\r\n'))).text;
const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);
const headersOf = (text: string) =>
  Object.fromEntries(
    text
      .slice(0, text.indexOf('\r\n\r\n'))
      .split('\r\n')
      .slice(1)
      .map((line) => line.toLowerCase().split(/: (.*)/s, 2) as [string, string]),
  );

it('answers a probe as the route would, and counts it', async () => {
  const finished: FinishedRequest[] = [];
  await start({ onFinished: (one) => finished.push(one) });

  const ahead = await send(...PLAIN);
  const routed = await send(...PLAIN, 'X-Other: 1');

  expect([bodyOf(ahead), bodyOf(routed)]).toEqual([AHEAD, ROUTED]);
  const own = { 'x-request-id': expect.stringMatching(/^req-[\w-]{12}$/), 'content-length': expect.any(String) };
  expect(headersOf(ahead)).toEqual({ ...headersOf(routed), ...own, date: expect.any(String) });
  expect(finished).toMatchObject([
    { method: 'GET', route: '/health/live', status: 200, aborted: false },
    { method: 'GET', route: '/health/live', status: 200, aborted: false },
  ]);
});

it('keeps a connection, and the order of what is asked on it', async () => {
  await start();
  const slow = ['GET /api/held HTTP/1.1', 'Host: a', 'Prefer: wait=1', '', ''].join('\r\n');

  const { text, closed } = await server.raw(slow + [...PLAIN, '', ''].join('\r\n').repeat(2), 2_500);

  expect(text.match(/\{.*?\}(?=HTTP|$)/g)).toEqual(['{}', AHEAD, AHEAD]);
  expect(closed).toBe(false);
});

describe('leaves to the front door', () => {
  it.each([
    ['another method', ['HEAD /health/live HTTP/1.1', 'Host: a'], 200, ''],
    ['a query', ['GET /health/live?x=1 HTTP/1.1', 'Host: a'], 400, null],
    ['another path', ['GET /health/live/ HTTP/1.1', 'Host: a'], 404, null],
    ['a body', [...PLAIN, 'Content-Length: 0'], 200, ROUTED],
    ['an id of its own', [...PLAIN, 'X-Request-Id: mine'], 200, ROUTED],
    ['two hosts', [...PLAIN, 'Host: b'], 400, null],
    ['no host', ['GET /health/live HTTP/1.1'], 400, null],
    ['an older version', ['GET /health/live HTTP/1.0', 'Host: a'], 200, ROUTED],
    ['a header that could matter', [...PLAIN, 'Content-Encoding: gzip'], 415, null],
  ])('%s', async (_what, head, status, body) => {
    await start();

    const text = await send(...head);

    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (body !== null) expect(bodyOf(text)).toBe(body);
    if (status >= 400) expect(JSON.parse(bodyOf(text)).error.code).toEqual(expect.any(String));
  });

  it('everything while it is told to, or while each request is logged', async () => {
    let may = true;
    await start({ mayAnswerAhead: () => may });
    const before = bodyOf(await send(...PLAIN));
    may = false;
    const after = bodyOf(await send(...PLAIN));
    await server.close();
    await start({ log: { ...quiet, isLevelEnabled: () => true } });

    expect([before, after, bodyOf(await send(...PLAIN))]).toEqual([AHEAD, ROUTED, ROUTED]);
  });
});
