import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { errorIn } from './error-shape.js';
import { type RunningServer, startServer } from './http-server.js';

/** Of this process, in which server and client live: however long it waits for the processor, its work stays the same. */
const MOST_CPU_MS = 500;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

function post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}/api/instances`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]),
  });
}

describe('a body that is taken', () => {
  it.each([
    ['plain', '{"name":"a"}'],
    ['with tab, line feed and carriage return', '{"name":"a\\t\\n\\r"}'],
    ['with an emoji made of several characters', '{"name":"👩‍👩‍👧 ﷽"}'],
    ['with the charset said in capitals', '{"name":"a"}'],
    ['with 32 levels', `{"name":"a","free":${'{"a":'.repeat(30)}{}${'}'.repeat(30)}}`],
    ['with the largest exact number', '{"name":"a","gpuNum":9007199254740991}'],
  ])('is answered with what it said: %s', async (_, body) => {
    const response = await post(body, { 'content-type': 'application/json; charset=UTF-8' });

    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ created: JSON.parse(body) });
  });

  it('takes the last of two equal keys', async () => {
    const response = await post('{"name":"first","name":"last"}');

    expect(await response.json()).toEqual({ created: { name: 'last' } });
  });

  it('may say that it is not encoded', async () => {
    const response = await post('{"name":"a"}', { 'content-encoding': 'identity' });

    expect(response.status).toBe(201);
  });
});

describe('a body that is refused with 400', () => {
  it.each([
    ['empty', ''],
    ['null', 'null'],
    ['a string', '"str"'],
    ['an array', '[]'],
    ['a number', '1'],
    ['cut short', '{"a":'],
    ['NaN', '{"name":"a","gpuNum":NaN}'],
    ['a byte order mark', '\ufeff{"name":"a"}'],
    ['UTF-16', Buffer.from('{"name":"a"}', 'utf16le')],
    ['bytes that are not UTF-8', Buffer.from('7b226e616d65223a22ff227d', 'hex')],
    ['33 levels', `{"name":"a","free":${'{"a":'.repeat(31)}{}${'}'.repeat(31)}}`],
    ['20,000 levels', `{"name":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['100,000 keys', `{${Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":1`).join(',')}}`],
    ['a key of 900 kB', `{"${'k'.repeat(900_000)}":1,"name":"a"}`],
    ['__proto__', '{"name":"a","__proto__":{"isAdmin":true}}'],
    ['__proto__ with escapes', '{"name":"a","\\u005f_proto__":{"isAdmin":true}}'],
    ['__proto__ inside', '{"name":"a","free":{"b":{"__proto__":{"isAdmin":true}}}}'],
    ['__proto__ in an array', '{"name":"a","labels":[{"__proto__":{"isAdmin":true}}]}'],
    ['constructor.prototype', '{"name":"a","constructor":{"prototype":{"isAdmin":true}}}'],
    ['a label called __proto__', '{"name":"a","free":{"__proto__":"x"}}'],
    ['NUL in a text', '{"name":"a\\u0000"}'],
    ['ESC in a text', '{"name":"\\u001b[2J"}'],
    ['a C1 control in a text', '{"name":"\\u009b31m"}'],
    ['DEL in a text', '{"name":"\\u007f"}'],
    ['NUL in a key', '{"name":"a","free":{"\\u0000":1}}'],
    ['a lone high surrogate', '{"name":"\\ud800"}'],
    ['a lone low surrogate', '{"name":"\\udc00a"}'],
    ['1e400', '{"name":"a","gpuNum":1e400}'],
    ['minus zero', '{"name":"a","gpuNum":-0}'],
    ['1e21', '{"name":"a","gpuNum":1e21}'],
    ['a number beyond what is exact', '{"name":"a","gpuNum":9007199254740993}'],
  ])('%s', async (_, body) => {
    const cpuBefore = process.cpuUsage();
    const response = await post(body);
    const { user, system } = process.cpuUsage(cpuBefore);

    const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
    expect(details).toMatchObject({ field: expect.any(String), reason: expect.any(String) });
    expect(JSON.stringify(details).length).toBeLessThan(2_000);
    expect((user + system) / 1000).toBeLessThan(MOST_CPU_MS);
  });

  it.each([
    ['"true" for a flag', { dryRun: 'true' }, 'dryRun'],
    ['1 for a flag', { dryRun: 1 }, 'dryRun'],
    ['"1" for a number', { gpuNum: '1' }, 'gpuNum'],
    ['1.5 for a whole number', { gpuNum: 1.5 }, 'gpuNum'],
    ['[1] for a number', { gpuNum: [1] }, 'gpuNum'],
    ['{} for a number', { gpuNum: {} }, 'gpuNum'],
    ['a number for a text', { name: 5 }, 'name'],
    ['an array for a text', { name: ['a'] }, 'name'],
    ['an object for an array', { labels: { key: 'a', value: 'b' } }, 'labels'],
    ['a wrong value deep inside', { labels: [{ key: 'a', value: 1 }] }, 'labels[0].value'],
    ['an unknown field deep inside', { labels: [{ key: 'a', value: 'b', admin: true }] }, 'labels[0].admin'],
  ])('%s, naming the field', async (_, overrides, field) => {
    const response = await post(JSON.stringify({ name: 'a', ...overrides }));

    const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
    expect(details).toMatchObject({ field });
  });

  it.each(['id', 'teamId', 'status', 'price', 'createdAt', 'deletedAt', 'upstreamId', 'version', 'spendUsd', 'role'])(
    'the field %s, which is not the caller’s to set',
    async (field) => {
      const response = await post(JSON.stringify({ name: 'a', [field]: 'x' }));

      const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
      expect(details).toMatchObject({ field, reason: 'This field is not known' });
    },
  );

  it('says of an absent field only that it is required, and lists every failure', async () => {
    const response = await post('{"gpuNum":0,"dryRun":"no"}');

    const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
    expect(details).toMatchObject({
      field: 'name',
      reason: 'name should not be empty',
      failures: [{ field: 'name' }, { field: 'gpuNum' }, { field: 'dryRun' }],
    });
  });

  it('leaves every prototype as it was', async () => {
    await post('{"name":"a","__proto__":{"isAdmin":true}}');
    await post('{"name":"a","constructor":{"prototype":{"isAdmin":true}}}');

    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it('a body on a route that takes none', async () => {
    const response = await fetch(`${server.url}/api/instances/known`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
      body: '{"force":true}',
    });

    const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
    expect(details).toMatchObject({ field: 'force' });
  });
});

describe('a body in another form', () => {
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json-patch+json',
    'application/problem+json',
    'application/json; charset=utf-7',
    'application/json; charset=utf-16le',
    'application/json; charset="iso-8859-1"',
    'nonsense',
  ])('is refused with 415: %s', async (type) => {
    const response = await post('{"name":"a"}', { 'content-type': type });

    await errorIn(response, 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  it.each(['gzip', 'br', 'deflate', 'identity, gzip', 'GZIP'])(
    'is refused with 415 when encoded: %s',
    async (encoding) => {
      const response = await post(gzipSync('{"name":"a"}'), { 'content-encoding': encoding });

      await errorIn(response, 415, 'UNSUPPORTED_MEDIA_TYPE');
    },
  );
});

describe('a body that is too large', () => {
  const tooLarge = `{"name":"${'a'.repeat(1_048_576)}"}`;

  it('is refused with 413 when its length is said', async () => {
    const response = await post(tooLarge);

    await errorIn(response, 413, 'PAYLOAD_TOO_LARGE');
  });

  it('is refused with 413 in chunks of unsaid length, and the connection ends', async () => {
    const head =
      'POST /api/instances HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const answer = await server.raw(`${head}${tooLarge.length.toString(16)}\r\n${tooLarge}\r\n`);

    expect(answer.text).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer.text).toContain('"code":"PAYLOAD_TOO_LARGE"');
    expect(answer.closed).toBe(true);
  });
});
