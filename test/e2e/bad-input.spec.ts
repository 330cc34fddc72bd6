import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { asErrorBody } from '../http/error-shape.js';
import { World } from '../support/world.js';

interface ErrorAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly code: string;
  readonly details: Record<string, unknown>;
}

let world: World;

beforeAll(async () => {
  world = await World.start();
});

afterAll(() => world.stop());

/** Whatever was sent, nothing was ordered, and nobody was told of an error of ours. */
afterEach(async () => {
  const { body } = await world.service.get<{ total: number }>('/api/instances?includeDeleted=true');
  expect(body.total).toBe(0);
  expect(world.service.lines.filter((line) => line.includes('"level":50'))).toEqual([]);
});

async function send(path: string, init: RequestInit = {}): Promise<ErrorAnswer> {
  const response = await fetch(world.service.url + path, init);
  const { error } = asErrorBody(await response.text());
  expect(error.requestId).toBe(response.headers.get('x-request-id'));
  return { status: response.status, headers: response.headers, code: error.code, details: error.details ?? {} };
}

function post(body: string, headers: Record<string, string> = {}): Promise<ErrorAnswer> {
  return send('/api/instances', { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
}

describe('an order that cannot be understood', () => {
  it.each([
    ['no name', { name: undefined }, 'name', 'Name is required'],
    ['an empty name', { name: '' }, 'name', 'Name is required'],
    ['a name of spaces', { name: '   ' }, 'name', /visible/],
    ['a name of 256 characters', { name: 'n'.repeat(256) }, 'name', /255/],
    ['a number for a name', { name: 5 }, 'name', /text/],
    ['a name with an escape sequence', { name: '\u001b[2J' }, 'name', /./],
    ['half of a surrogate pair', { name: '\ud800' }, 'name', /./],
    ['no product', { productName: undefined }, 'productName', 'Product name is required'],
    ['a list of products', { productName: ['RTX 4090 24GB'] }, 'productName', /text/],
    ['no template', { templateId: undefined }, 'templateId', 'Template ID is required'],
    ['null for a template', { templateId: null }, 'templateId', 'Template ID is required'],
    ['no GPU at all', { gpuNum: 0 }, 'gpuNum', /1 to 8/],
    ['nine GPUs', { gpuNum: 9 }, 'gpuNum', /1 to 8/],
    ['half a GPU', { gpuNum: 0.5 }, 'gpuNum', /1 to 8/],
    ['a number in quotes', { gpuNum: '1' }, 'gpuNum', /1 to 8/],
    ['a tiny disk', { rootfsSize: 9 }, 'rootfsSize', /10 to 6144/],
    ['a huge disk', { rootfsSize: 6145 }, 'rootfsSize', /10 to 6144/],
    ['a region that is a sentence', { region: 'somewhere near me' }, 'region', /region code/],
    ['an unknown billing mode', { billingMode: 'free' }, 'billingMode', /spot or onDemand/],
    ['an unknown spot policy', { spotPolicy: 'pray' }, 'spotPolicy', /migrate, replace or none/],
    ['a word for a flag', { fallbackToOnDemand: 'yes' }, 'fallbackToOnDemand', /true or false/],
    ['a probe of port 0', { readiness: { port: 0 } }, 'readiness.port', /./],
    ['a probe without a port', { readiness: {} }, 'readiness.port', /./],
    ['a probe of a relative path', { readiness: { port: 80, path: 'health' } }, 'readiness.path', /begin with/],
    ['a probe that is a text', { readiness: 'fast' }, 'readiness', /./],
    ['an unknown field', { status: 'running' }, 'status', 'This field is not known'],
    ['an unknown field deep inside', { readiness: { port: 80, x: 1 } }, 'readiness.x', 'This field is not known'],
    ['a webhook without a scheme', { webhookUrl: 'your-app.com/webhook' }, 'webhookUrl', /./],
    ['a webhook by FTP', { webhookUrl: 'ftp://your-app.com/' }, 'webhookUrl', /./],
    ['a webhook with a password', { webhookUrl: 'https://user:pw@your-app.com/' }, 'webhookUrl', /./],
    ['a webhook into our own machine', { webhookUrl: 'http://127.0.0.1:5432/' }, 'webhookUrl', /not allowed/],
    ['a webhook at the metadata service', { webhookUrl: 'http://169.254.169.254/' }, 'webhookUrl', /not allowed/],
    ['a webhook of 2001 characters', { webhookUrl: `https://a.example/${'x'.repeat(2000)}` }, 'webhookUrl', /./],
  ])('is 400 for %s, naming field and reason', async (_, overrides, field, reason) => {
    const { status, code, details } = await post(JSON.stringify(anOrder(overrides)));

    expect({ status, code }).toEqual({ status: 400, code: 'VALIDATION_ERROR' });
    expect(details['field']).toBe(field);
    expect(details['reason']).toMatch(reason);
  });

  it.each([
    ['no body', ''],
    ['half a body', '{"name":"a",'],
    ['a list', '[]'],
    ['a text', '"order"'],
    ['null', 'null'],
    ['a prototype', '{"__proto__":{"isAdmin":true},"name":"a"}'],
    ['1e400 GPUs', '{"name":"a","productName":"b","templateId":"c","gpuNum":1e400}'],
    ['20,000 levels', `{"name":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
  ])('is 400 for %s', async (_, body) => {
    const { status, code, details } = await post(body);

    expect({ status, code }).toEqual({ status: 400, code: 'VALIDATION_ERROR' });
    expect(details).toMatchObject({ field: expect.any(String), reason: expect.any(String) });
  });

  it('lists all of its faults, the first in the fields of the contract', async () => {
    const { details } = await post('{"gpuNum":0,"region":""}');

    const failures = details['failures'] as { field: string }[];
    expect(failures.map(({ field }) => field)).toEqual(['name', 'productName', 'templateId', 'gpuNum', 'region']);
    expect(details['field']).toBe('name');
  });
});

describe('a body in the wrong form', () => {
  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'is 415 as %s',
    async (type) => {
      const { status, code } = await post('name=a', { 'content-type': type });

      expect({ status, code }).toEqual({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    },
  );

  it('is 415 when it is compressed', async () => {
    const { status } = await post('{}', { 'content-encoding': 'gzip' });

    expect(status).toBe(415);
  });

  it('is 413 above one mebibyte', async () => {
    const { status, code } = await post(JSON.stringify(anOrder({ name: 'n'.repeat(1_048_576) })));

    expect({ status, code }).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });
});

describe('a query that cannot be understood', () => {
  it.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['limit[a]=1', 'limit[a]'],
    ['offset=-1', 'offset'],
    ['offset=99999999999999999999', 'offset'],
    ['status=broken', 'status'],
    ['status=running&status=failed', 'status'],
    ['includeDeleted=maybe', 'includeDeleted'],
    ['colour=red', 'colour'],
    ['limit=%00', 'query'],
  ])('is 400 for ?%s', async (query, field) => {
    const { status, code, details } = await send(`/api/instances?${query}`);

    expect({ status, code }).toEqual({ status: 400, code: 'VALIDATION_ERROR' });
    expect(details).toMatchObject({ field, reason: expect.stringMatching(/./) });
  });
});

describe('an address that leads nowhere', () => {
  it.each(['inst-nobody', 'inst-', 'x', '1', '..%2f..', 'inst-a;b', 'INST-ABC123', '%F0%9F%98%80', 'a'.repeat(90)])(
    'is 404 INSTANCE_NOT_FOUND for the instance %s',
    async (id) => {
      const { status, code } = await send(`/api/instances/${id}`);

      expect({ status, code }).toEqual({ status: 404, code: 'INSTANCE_NOT_FOUND' });
    },
  );

  it.each(['DELETE /', 'POST /start', 'POST /stop', 'POST /restart'])(
    'is 404 INSTANCE_NOT_FOUND for %s of an unknown instance',
    async (action) => {
      const [method = '', path = ''] = action.split(' ');
      const { status, code } = await send(`/api/instances/inst-nobody${path.replace(/^\/$/, '')}`, { method });

      expect({ status, code }).toEqual({ status: 404, code: 'INSTANCE_NOT_FOUND' });
    },
  );

  it.each([
    '/',
    '/api',
    '/api/instance',
    '/API/instances',
    '/api/instances/',
    '/health/deep',
    '/.env',
    '/docs/../.env',
  ])('is 404 for %s', async (path) => {
    expect((await send(path)).status).toBe(404);
  });

  it.each(['/api/instances/a%00b', '/api/instances/%ff', '/api/instances/%zz'])('is 400 for %s', async (path) => {
    expect((await send(path)).status).toBe(400);
  });
});

describe('a method that an address does not have', () => {
  it.each([
    ['PUT', '/api/instances', 'GET, HEAD, POST'],
    ['DELETE', '/api/instances', 'GET, HEAD, POST'],
    ['PATCH', '/api/instances/inst-nobody', 'DELETE, GET, HEAD'],
    ['GET', '/api/instances/inst-nobody/stop', 'POST'],
    ['POST', '/api/metrics', 'GET, HEAD'],
    ['POST', '/health', 'GET, HEAD'],
    ['DELETE', '/health/ready', 'GET, HEAD'],
  ])('is 405 for %s %s, with those it has in Allow', async (method, path, allow) => {
    const { status, headers } = await send(path, { method });

    expect(status).toBe(405);
    expect(headers.get('allow')?.split(', ').toSorted().join(', ')).toBe(allow);
  });
});
