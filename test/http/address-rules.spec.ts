import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { errorIn, lastAnswerIn, asErrorBody } from './error-shape.js';
import { type RunningServer, startServer } from './http-server.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** fetch would tidy the address up; this sends it as it is. */
async function getAsIs(target: string): Promise<{ status: number; body: string }> {
  const { text } = await server.raw(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  return lastAnswerIn(text);
}

describe('a path', () => {
  it.each([
    ['NUL', '/api/instances/a%00b'],
    ['line feed', '/api/instances/a%01b'],
    ['not UTF-8', '/api/instances/%ff'],
    ['half a surrogate in UTF-8', '/api/instances/%ed%a0%80'],
    ['not a percent-encoding', '/api/instances/%zz'],
    ['a lone percent sign', '/api/instances/%'],
    ['not UTF-8 where nothing is', '/nowhere/%ff'],
  ])('that cannot be text is 400: %s', async (_, target) => {
    const answer = await getAsIs(target);

    expect(answer.status).toBe(400);
    expect(asErrorBody(answer.body).error).toMatchObject({ code: 'VALIDATION_ERROR', details: { field: 'path' } });
  });

  it.each([
    ['climbing', '/api/instances/..%2f..%2fhealth%2flive'],
    ['a full-width slash', '/api/instances/a%ef%bc%8fb'],
    ['a backslash', '/api/instances/a%5cb'],
    ['a matrix parameter', '/api/instances/known;a=b'],
    ['upper case', '/api/instances/KNOWN'],
    ['200 characters', `/api/instances/${'x'.repeat(200)}`],
    ['4,000 characters', `/api/instances/${'x'.repeat(4_000)}`],
  ])('with an id that does not exist is the 404 of any other id: %s', async (_, target) => {
    const answer = await getAsIs(target);

    expect(answer.status).toBe(404);
    expect(asErrorBody(answer.body).error.code).toBe('INSTANCE_NOT_FOUND');
  });

  it.each([
    '/nowhere',
    '/API/instances',
    '/api/Instances/known',
    '/api/instances/',
    '/api/instances/known/',
    '//api/instances',
    '/api//instances',
    '/./api/instances',
    '/api/./instances',
    '/api/instances/known/../known',
    '/%2e%2e/api/instances',
    '/api%2finstances',
    '*',
    '/__proto__',
  ])('that is nobody’s is 404: %s', async (target) => {
    const answer = await getAsIs(target);

    expect(answer.status).toBe(404);
    expect(asErrorBody(answer.body).error.code).toBe('NOT_FOUND');
  });

  it('is not repeated in the answer', async () => {
    const response = await fetch(`${server.url}/<script>alert(1)</script>`);

    expect(JSON.stringify(await errorIn(response, 404, 'NOT_FOUND'))).not.toContain('script');
  });

  it('is 414 when it is very long', async () => {
    const answer = await getAsIs(`/api/instances/${'x'.repeat(9_000)}`);

    expect(answer.status).toBe(414);
    expect(asErrorBody(answer.body).error.code).toBe('URI_TOO_LONG');
  });
});

describe('a method that an address does not know', () => {
  it.each([
    ['PUT', '/api/instances/known', 'DELETE, GET, HEAD'],
    ['PATCH', '/api/instances', 'GET, HEAD, POST'],
    ['OPTIONS', '/api/instances', 'GET, HEAD, POST'],
    ['POST', '/health/live', 'GET, HEAD'],
    ['DELETE', '/docs/openapi.json', 'GET, HEAD'],
  ])('is 405 and names those it knows: %s %s', async (method, path, allowed) => {
    const response = await fetch(server.url + path, { method });

    await errorIn(response, 405, 'METHOD_NOT_ALLOWED');
    expect(response.headers.get('allow')).toBe(allowed);
  });

  it('cannot be smuggled in by a header', async () => {
    const response = await fetch(`${server.url}/api/instances/known`, {
      headers: {
        'x-http-method-override': 'DELETE',
        'x-original-url': '/health/live',
        'x-rewrite-url': '/health/live',
      },
    });

    expect(await response.json()).toEqual({ id: 'known' });
  });
});

describe('a query', () => {
  it.each([
    ['nothing', '', { limit: 50, offset: 0 }],
    ['a page', '?limit=100&offset=7', { limit: 100, offset: 7 }],
    ['a filter', '?status=running', { limit: 50, offset: 0, status: 'running' }],
  ])('is read with its defaults: %s', async (_, query, expected) => {
    const response = await fetch(`${server.url}/api/instances${query}`);

    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(expected);
  });

  it.each([
    '?limit=0',
    '?limit=101',
    '?limit=-1',
    '?limit=1.0',
    '?limit=%2B1',
    '?limit=01',
    '?limit=0x10',
    '?limit=1e1',
    '?limit=%201',
    '?limit=',
    '?limit',
    '?limit=%00',
    '?limit=ten',
    '?limit=99999999999999999999',
    '?limit[a]=1',
    '?limit[]=1',
    '?limit=1&limit=2',
    '?limit=1&%6cimit=2',
    '?offset=-1',
    '?offset=',
    '?status=deleted',
    '?status=running&status=failed',
    '?unknown=1',
    '?Limit=1',
    '?__proto__=1',
    '?__proto__[isAdmin]=1',
    '?constructor=1',
    '?q=%ff',
    '?q=%1b',
  ])('is refused with 400: %s', async (query) => {
    const answer = await getAsIs(`/api/instances${query}`);

    expect(answer.status).toBe(400);
    expect(asErrorBody(answer.body).error).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field: expect.any(String), reason: expect.any(String) },
    });
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  });

  it('is refused on a route that takes none', async () => {
    const response = await fetch(`${server.url}/api/instances/known?verbose=1`);

    const { details } = await errorIn(response, 400, 'VALIDATION_ERROR');
    expect(details).toMatchObject({ field: 'verbose' });
  });
});

describe('the Accept header', () => {
  it.each([
    'application/json',
    '*/*',
    'text/html, application/*;q=0.5',
    'application/json; q=0.1',
    'text/event-stream',
  ])('is met: %s', async (accept) => {
    const response = await fetch(`${server.url}/api/instances`, { headers: { accept } });

    expect(response.status).toBe(200);
  });

  it.each(['text/html', 'application/xml', 'application/json;q=0', 'image/*'])('cannot be met: %s', async (accept) => {
    const response = await fetch(`${server.url}/api/instances`, { headers: { accept } });

    await errorIn(response, 406, 'NOT_ACCEPTABLE');
  });
});
