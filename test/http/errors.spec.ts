import {
  BadRequestException,
  HttpException,
  InternalServerErrorException,
  ServiceUnavailableException,
} from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { errorIn } from './error-shape.js';
import { Failure, type RunningServer, startServer, ThingNotFound } from './http-server.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.lines.splice(0);
});

function failing(error: unknown): Promise<Response> {
  server.failWith(error);
  return fetch(`${server.url}/api/failing`);
}

describe('an error of the application', () => {
  it.each([
    ['invalid', 400],
    ['unauthenticated', 401],
    ['forbidden', 403],
    ['not-found', 404],
    ['conflict', 409],
    ['gone', 410],
    ['too-large', 413],
    ['unsupported-media', 415],
    ['unprocessable', 422],
    ['rate-limited', 429],
    ['upstream', 502],
    ['unavailable', 503],
    ['internal', 500],
  ] as const)('of kind %s is %i with its own code', async (kind, status) => {
    const response = await failing(new Failure(kind));

    const { message } = await errorIn(response, status, 'SOMETHING');
    expect(message).toBe('Something happened');
  });

  it('keeps its own 404 apart from that of an unknown address', async () => {
    await errorIn(await failing(new ThingNotFound('inst-1')), 404, 'INSTANCE_NOT_FOUND');
  });

  it.each([
    ['upstream', 2.2, '3'],
    ['rate-limited', 0.1, '1'],
    ['unavailable', undefined, '1'],
    ['upstream', undefined, null],
  ] as const)('%s that may be retried after %s s says Retry-After %s', async (kind, seconds, header) => {
    const response = await failing(new Failure(kind, seconds));

    expect(response.headers.get('retry-after')).toBe(header);
  });

  it('that is about the key says how to authenticate', async () => {
    const response = await failing(new Failure('unauthenticated'));

    expect(response.headers.get('www-authenticate')).toBe('Bearer');
  });
});

describe('an error of the framework', () => {
  it.each([
    [new BadRequestException('no'), 400, 'VALIDATION_ERROR'],
    [new HttpException({ anything: 'else' }, 418), 418, 'REQUEST_REFUSED'],
    [new InternalServerErrorException('SELECT * FROM keys'), 500, 'INTERNAL_ERROR'],
    [new ServiceUnavailableException({ secret: 'x' }), 503, 'SERVICE_UNAVAILABLE'],
    [new HttpException('moved', 302), 500, 'INTERNAL_ERROR'],
  ])('has the one shape: %s', async (error, status, code) => {
    await errorIn(await failing(error), status, code);
  });
});

describe('an error that nobody foresaw', () => {
  it.each([
    new Error('relation "instances" does not exist at /srv/app/x.js:1'),
    Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (id)=(1)' }),
    Object.assign(new Error('Response status code 404'), { statusCode: 404, code: 'UND_ERR_RESPONSE' }),
    'a string',
    undefined,
    null,
    { message: 'INSERT INTO keys' },
  ])('says nothing but 500 and is logged with its request: %s', async (error) => {
    const { message, requestId } = await errorIn(await failing(error), 500, 'INTERNAL_ERROR');

    expect(message).toBe('Internal server error');
    expect(server.lines).toContainEqual(
      expect.objectContaining({ level: 'error', fields: expect.objectContaining({ err: error, requestId }) }),
    );
  });
});

describe('a database that is away', () => {
  it.each([
    Object.assign(new Error("Can't reach database server"), { code: 'P1001' }),
    Object.assign(new Error('raw query failed'), {
      code: 'P2010',
      meta: { driverAdapterError: { cause: { kind: 'postgres', originalCode: '57P01' } } },
    }),
    new Error('Connection terminated unexpectedly'),
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }),
  ])('is 503 with Retry-After, and a warning: %s', async (error) => {
    const response = await failing(error);

    await errorIn(response, 503, 'SERVICE_UNAVAILABLE');
    expect(response.headers.get('retry-after')).toBe('1');
    expect(server.lines.map((line) => line.level)).not.toContain('error');
  });
});
