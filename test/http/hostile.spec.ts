import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually, World } from '../support/world.js';
import { asErrorBody } from './error-shape.js';

/** Fields that a caller may set and that no example shows. */
const UNSHOWN = ['expiresAt', 'from', 'to', 'maxInstances', 'labels', 'readiness'];
const REQUESTS = Number(process.env['HOSTILE_REQUESTS'] ?? 2000);
const SEED = Number(process.env['HOSTILE_SEED'] ?? 20_261_122);
const AT_ONCE = 20;

const STRINGS = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u007f\u009b31m',
  '\r\n{"level":50,"msg":"forged"}',
  'a\u2028b\u2029c',
  '\u001b[2J',
  '\u202egnp.exe',
  '\u200b',
  'e\u0301é',
  '👩‍👩‍👧‍👦',
  '﷽'.repeat(64),
  '<script>alert(1)</script>',
  '{{7*7}}',
  '${jndi:ldap://127.0.0.1/x}',
  "'; DROP TABLE instances; --",
  '%s%n%x',
  '=cmd|/c calc',
  '../../etc/passwd',
  '..%2f..%2f',
  '%00',
  '%ff',
  '%zz',
  '__proto__',
  'constructor',
  'inst-' + 'a'.repeat(200),
  'a'.repeat(5000),
  'a!'.repeat(2000),
  'http://169.254.169.254/',
  'http://127.0.0.1:1/',
  'file:///etc/passwd',
  '-1',
  '1e400',
  '9007199254740993',
  'null',
  'true',
  '2027-W05-1',
  '2027-01-15T24:00:00Z',
  '2027-01-15T23:59:60Z',
  '2027-02-30T00:00:00Z',
  '0000-00-00T00:00:00Z',
];
const VALUES: unknown[] = [null, true, 0, -1, 1.5, 1e21, Number.MAX_SAFE_INTEGER, [], {}, [[]], [1], { a: { b: 1 } }];
const BODIES = [
  '',
  '{',
  '[]',
  'null',
  '"text"',
  '{"a":',
  '\ufeff{}',
  '{"__proto__":{"isAdmin":true}}',
  '{"constructor":{"prototype":{"isAdmin":true}}}',
  '['.repeat(20_000),
  `{${Array.from({ length: 2000 }, (_, index) => `"k${index}":1`).join(',')}}`,
  '{"a":NaN}',
  '{"name":"a","name":"b"}',
];
const HEADERS: [string, string][] = [
  ['accept', 'text/html'],
  ['accept', '*/*;q=0'],
  ['content-type', 'text/plain'],
  ['content-type', 'application/json; charset=utf-7'],
  ['content-type', 'multipart/form-data; boundary=x'],
  ['content-encoding', 'gzip'],
  ['x-request-id', 'a b'],
  ['x-request-id', 'x'.repeat(500)],
  ['x-forwarded-for', '127.0.0.1, ::1'],
  ['x-http-method-override', 'DELETE'],
  ['x-original-url', '/health/live'],
  ['user-agent', '\u00a0'.repeat(50)],
  ['if-none-match', '"\\"'],
  ['prefer', 'wait=99999999999'],
  ['idempotency-key', '__proto__'],
  ['authorization', 'Bearer  x'],
  ['range', 'bytes=0-0'],
  ['expect', '200-ok'],
];

interface Documented {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: Record<string, unknown> }>> };
}

interface Target {
  readonly method: string;
  readonly template: string;
  readonly queries: readonly string[];
  readonly example: Record<string, unknown> | null;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

let world: World;
let targets: Target[];
let state = SEED;
// A shared machine may be many times slower than an own one.
jest.setTimeout(120_000);

beforeAll(async () => {
  world = await World.start({ env: { LOG_LEVEL: 'debug' } });
  await eventually(async () => (await world.service.get('/health/startup')).status === 200, 60_000);
  const { body } = await world.service.get<{ paths: Record<string, Record<string, Documented>> }>('/docs/openapi.json');
  targets = Object.entries(body.paths).flatMap(([template, item]) =>
    Object.entries(item).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      template,
      queries: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
      example: requestBody?.content['application/json']?.example ?? null,
    })),
  );
});
afterAll(() => world.stop());

/** Mulberry32: the same seed asks the same. */
function chance(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
}

function oneOf<T>(choices: readonly T[]): T {
  return choices[Math.floor(chance() * choices.length)]!;
}

/** Lone surrogates cannot be encoded, and some of it is sent as it is. */
function inAddress(text: string): string {
  if (chance() < 0.2 && /^[!-~]+$/.test(text)) return text.replaceAll(/[#?]/g, '');
  return encodeURIComponent(Buffer.from(text).toString());
}

function hostileBody(example: Record<string, unknown> | null): string {
  if (example === null || chance() < 0.2) return oneOf(BODIES);
  const key = oneOf([...Object.keys(example), oneOf(STRINGS), 'teamId', 'status', 'version', ...UNSHOWN]);
  const value = chance() < 0.6 ? oneOf(STRINGS) : oneOf(VALUES);
  const entries = Object.entries(example).filter(([name]) => name !== key);
  return JSON.stringify(Object.fromEntries(chance() < 0.15 ? entries : [...entries, [key, value]]));
}

function hostileRequest(): Request {
  const target = oneOf(targets);
  const path = target.template.replaceAll(/\{[^}]+\}/g, () => inAddress(oneOf(STRINGS)));
  const query =
    chance() < 0.4 ? `?${inAddress(oneOf([...target.queries, oneOf(STRINGS)]))}=${inAddress(oneOf(STRINGS))}` : '';
  const [name, value] = oneOf(HEADERS);
  const hasBody = target.example !== null || (chance() < 0.1 && target.method !== 'GET');
  return {
    method: target.method,
    path: path + query,
    headers: {
      ...(hasBody && { 'content-type': 'application/json' }),
      ...(chance() < 0.3 && { [name]: value }),
    },
    body: hasBody ? hostileBody(target.example) : null,
  };
}

async function send({ method, path, headers, body }: Request): Promise<{ status: number; text: string }> {
  // An Expect header is not for fetch to send.
  const { expect: _expect, ...sent } = headers;
  const answer = await fetch(world.service.url + path, { method, headers: sent, ...(body !== null && { body }) });
  // A stream has no end to wait for.
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    await answer.body?.cancel();
    return { status: answer.status, text: '' };
  }
  return { status: answer.status, text: await answer.text() };
}

describe(`${REQUESTS} hostile requests derived from the document (seed ${SEED})`, () => {
  it(
    'never break the service: no 5xx, no exit, every refusal in the documented shape',
    async () => {
      const broken: object[] = [];
      const statuses = new Map<number, number>();
      for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
        const requests = Array.from({ length: AT_ONCE }, hostileRequest);
        const answers = await Promise.all(requests.map((request) => send(request)));
        for (const [index, { status, text }] of answers.entries()) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          // A probe that tells of a busy machine tells the truth.
          if (status === 503 && requests[index]!.path.startsWith('/health')) continue;
          if (status >= 500) broken.push({ status, request: requests[index], text: text.slice(0, 300) });
          else if (status >= 400) asErrorBody(text);
        }
      }

      expect(broken).toEqual([]);
      expect(world.service.child.exitCode).toBeNull();
      expect((await world.service.get('/health/live')).status).toBe(200);
      expect(Object.getOwnPropertyNames({})).toEqual([]);
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404]));
    },
    Math.max(180_000, REQUESTS * 60),
  );

  it('cannot forge a line of the log: each is one JSON object, and nothing in it misleads a terminal', async () => {
    await send({
      method: 'POST',
      path: '/api/instances',
      headers: { 'content-type': 'application/json', 'user-agent': 'x'.repeat(8000) },
      body: JSON.stringify({
        name: '\r\n{"level":60,"msg":"forged"}',
        productName: 'x',
        templateId: 'y'.repeat(900_000),
      }),
    });

    const { lines } = world.service;

    expect(lines.length).toBeGreaterThan(REQUESTS / 2);
    for (const line of lines) {
      const entry = JSON.parse(line) as { level: number; msg?: string };
      expect(typeof entry.level).toBe('number');
      expect(entry.msg ?? '').not.toBe('forged');
      expect(line.length).toBeLessThan(70_000);
    }
    const misleading = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
    expect(lines.filter((line) => misleading.test(line))).toEqual([]);
  });
});
