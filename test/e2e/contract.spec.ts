import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import * as examples from '../data/contract-examples.js';
import { addedTo, missingFrom } from '../support/shape.js';
import { type ReceivedWebhook, WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

type Details = typeof examples.DETAILS;
type List = typeof examples.LIST;

/** The stated default before there is any history. */
const DEFAULT_START_MS = 180_000;

let world: World;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  world = await World.start({ env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });
  // Host names in the upstream's own form, as in the examples.
  await world.sandbox.control('/config', { endpoints: 'novita' });
});

afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

async function order(overrides: Record<string, unknown> = {}): Promise<string> {
  const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
  return body.instanceId;
}

async function untilStatus(id: string, status: string): Promise<Details> {
  return eventually(async () => {
    const { body } = await world.service.get<Details>(`/api/instances/${id}`);
    return body.status === status && body;
  });
}

const STATUSES = ['creating', 'starting', 'running', 'failed', 'stopped', 'exited'];

async function filtersThatShow(id: string): Promise<string[]> {
  const answers = await Promise.all(
    STATUSES.map(async (status) => ({ ...(await world.service.get<List>(`/api/instances?status=${status}`)), status })),
  );
  return answers
    .filter(({ body }) => body.instances.some((instance) => instance.id === id))
    .map(({ status }) => status);
}

async function webhookOf(id: string, event: string): Promise<ReceivedWebhook> {
  return eventually(async () => receiver.events(event).find(({ body }) => body['instanceId'] === id));
}

describe('POST /api/instances', () => {
  it('answers the example with 201 and exactly its fields', async () => {
    const request = { ...examples.CREATE_REQUEST, webhookUrl: receiver.url };

    const { status, body } = await world.service.post<typeof examples.CREATE_ANSWER>('/api/instances', request);

    expect(status).toBe(201);
    expect(missingFrom(examples.CREATE_ANSWER, body)).toEqual([]);
    expect(addedTo(examples.CREATE_ANSWER, body)).toEqual([]);
    expect(body).toMatchObject({ status: 'creating', message: 'Instance creation initiated' });
    expect(body.instanceId).toMatch(/^inst-[a-z0-9]+$/);
  });

  it('estimates the time until ready, before there is any history by the stated default', async () => {
    const before = Date.now();
    const fresh = await World.start();

    const { body } = await fresh.service.post<typeof examples.CREATE_ANSWER>('/api/instances', anOrder());

    const promisedInMs = Date.parse(body.estimatedReadyTime) - before;
    expect(promisedInMs).toBeGreaterThanOrEqual(DEFAULT_START_MS);
    expect(promisedInMs).toBeLessThan(DEFAULT_START_MS + 60_000);
    await fresh.stop();
  });

  it('takes one GPU, 60 GB and CN-HK-01 where the order says nothing', async () => {
    const id = await order();

    const { body } = await world.service.get(`/api/instances/${id}`);
    expect(body).toMatchObject({ gpuNum: 1, rootfsSize: 60, region: 'CN-HK-01' });
  });
});

describe('GET /api/instances/{instanceId}', () => {
  it('shows a running instance with every field of the example', async () => {
    const id = await order();

    const body = await untilStatus(id, 'running');

    expect(missingFrom(examples.DETAILS, body)).toEqual([]);
    expect(body).toMatchObject({ id, name: 'my-gpu-instance', gpuNum: 1, region: 'CN-HK-01' });
    expect(body.readyAt >= body.createdAt).toBe(true);
  });

  it('says how to reach the machine in the forms of the example', async () => {
    const id = await order();

    const { portMappings, connectionDetails } = await untilStatus(id, 'running');

    const jupyter = portMappings.find(({ port }) => port === 8888);
    const ssh = portMappings.find(({ port }) => port === 22);
    expect([jupyter?.type, ssh?.type]).toEqual(['jupyter', 'ssh']);
    expect(jupyter?.endpoint).toMatch(/^https:\/\/\S+$/);
    expect(ssh?.endpoint).toMatch(/^ssh:\/\/\S+$/);
    expect(connectionDetails.ssh).toMatch(/^ssh /);
    expect(connectionDetails.jupyter).toMatch(/^https:\/\//);
    expect(connectionDetails.webTerminal).toMatch(/^https:\/\//);
  });

  it('is 404 INSTANCE_NOT_FOUND for an unknown id', async () => {
    const { status, body } = await world.service.get<typeof examples.ERROR>('/api/instances/inst-nobody');

    expect(status).toBe(404);
    expect(body.error.code).toBe('INSTANCE_NOT_FOUND');
  });
});

describe('GET /api/instances', () => {
  it('lists with the fields and the defaults of the example', async () => {
    await untilStatus(await order(), 'running');

    const { status, body } = await world.service.get<List>('/api/instances?status=running');
    const unfiltered = await world.service.get<List>('/api/instances');

    expect(status).toBe(200);
    expect(missingFrom(examples.LIST, body)).toEqual([]);
    expect(body.instances.length).toBeGreaterThan(0);
    expect(unfiltered.body).toMatchObject({ limit: 50, offset: 0, total: unfiltered.body.instances.length });
  });

  it('pages with limit and offset, and total counts what the filter lets through', async () => {
    const failing = await Promise.all(
      Array.from({ length: 3 }, (_, index) => order({ name: `failing-${index}`, templateId: 'no-such-template' })),
    );
    await Promise.all(failing.map((id) => untilStatus(id, 'failed')));

    const first = await world.service.get<List>('/api/instances?status=failed&limit=2');
    const rest = await world.service.get<List>('/api/instances?status=failed&limit=2&offset=2');

    expect(first.body).toMatchObject({ total: 3, limit: 2, offset: 0 });
    expect(rest.body).toMatchObject({ total: 3, limit: 2, offset: 2 });
    const listed = [...first.body.instances, ...rest.body.instances];
    expect(listed.map(({ id }) => id).toSorted()).toEqual(failing.toSorted());
  });
});

describe('the status of an instance', () => {
  it('walks creating, starting, running, and stopped after a stop', async () => {
    await world.sandbox.control('/config', { durations: { pulling: 10_000 } });
    const { body } = await world.service.post<typeof examples.CREATE_ANSWER>('/api/instances', anOrder());
    const id = body.instanceId;
    await untilStatus(id, 'starting');
    const whileStarting = await filtersThatShow(id);
    await world.sandbox.control('/config', { durations: { pulling: 4 } });
    await world.sandbox.advance(10_000);
    await untilStatus(id, 'running');
    const whileRunning = await filtersThatShow(id);

    await world.service.post(`/api/instances/${id}/stop`);

    const stopped = await untilStatus(id, 'stopped');
    expect(body.status).toBe('creating');
    expect([whileStarting, whileRunning, await filtersThatShow(id)]).toEqual([['starting'], ['running'], ['stopped']]);
    expect(stopped.portMappings).toEqual([]);
  });

  it('is exited when the machine ends without anybody’s doing', async () => {
    const id = await order({ spotPolicy: 'none' });
    await untilStatus(id, 'running');
    const { body } = await world.service.get<{ machine: { novitaId: string } }>(`/api/instances/${id}`);

    await world.sandbox.control(`/machines/${body.machine.novitaId}/status`, { status: 'exited' });

    expect((await untilStatus(id, 'exited')).id).toBe(id);
  });
});

describe('a webhook', () => {
  it('of success has exactly the fields of the example', async () => {
    const id = await order({ webhookUrl: receiver.url });

    const { body } = await webhookOf(id, 'instance.ready');

    expect(missingFrom(examples.WEBHOOK_SUCCESS, body)).toEqual([]);
    expect(addedTo(examples.WEBHOOK_SUCCESS, body)).toEqual([]);
    expect(body).toMatchObject({ status: 'running', instance: { id, name: 'my-gpu-instance' } });
  });

  it('of a start that missed the deadline says so word for word, and the machine is gone', async () => {
    await world.sandbox.control('/config', { durations: { pulling: 1_000_000 } });
    const id = await order({ webhookUrl: receiver.url });
    await untilStatus(id, 'starting');
    await world.sandbox.control('/config', { durations: { pulling: 4 } });

    await letDeadlinePass(id);

    const { body } = await webhookOf(id, 'instance.failed');
    expect(missingFrom(examples.WEBHOOK_FAILURE, body)).toEqual([]);
    expect(addedTo(examples.WEBHOOK_FAILURE, body)).toEqual([]);
    expect(body).toMatchObject({ status: 'failed', error: examples.WEBHOOK_FAILURE.error });
    const { body: details } = await world.service.get<{ machine: { novitaId: string } }>(`/api/instances/${id}`);
    expect(details).toMatchObject({ status: 'failed', statusReason: examples.WEBHOOK_FAILURE.error });
    await eventually(async () => {
      const { exists } = await world.sandbox.ledger();
      return exists.every((machine) => machine.id !== details.machine.novitaId);
    });
  });
});

/** As if the ten minutes of the default were over. */
async function letDeadlinePass(instanceId: string): Promise<void> {
  const client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  const { rowCount } = await client.query(
    `UPDATE instances SET deadline_at = now(), version = version + 1
     WHERE id = $1 AND deadline_at BETWEEN now() + interval '9 minutes' AND now() + interval '10 minutes'`,
    [instanceId],
  );
  await client.end();
  expect(rowCount).toBe(1);
}

describe('an error', () => {
  it('has the shape, the code and the words of the example', async () => {
    const { productName: _, ...withoutProduct } = examples.CREATE_REQUEST;
    const { status, headers, body } = await world.service.post<typeof examples.ERROR>('/api/instances', withoutProduct);

    expect(status).toBe(400);
    expect(missingFrom(examples.ERROR, body)).toEqual([]);
    expect(body.error).toMatchObject({
      code: 'VALIDATION_ERROR',
      message: 'Invalid request parameters',
      details: { field: 'productName', reason: 'Product name is required' },
    });
    expect(body.error.requestId).toBe(headers.get('x-request-id'));
  });
});

describe('GET /health', () => {
  it('is 200 with the fields of the example while all is well', async () => {
    const { status, body } = await eventually(async () => {
      const answer = await world.service.get<typeof examples.HEALTH>('/health');
      return answer.status === 200 && answer;
    });

    expect(status).toBe(200);
    expect(missingFrom(examples.HEALTH, body)).toEqual([]);
    expect(body).toMatchObject({
      status: 'healthy',
      dependencies: { novitaApi: 'healthy', cache: 'healthy', database: 'healthy', jobs: 'healthy' },
      upstream: { sandbox: true },
    });
  });
});

describe('GET /health of a service whose upstream is down', () => {
  let lonely: World;

  beforeEach(async () => {
    lonely = await World.start();
  });

  afterEach(() => lonely.stop());

  it('is 503 with the same fields, and well again when the upstream is back', async () => {
    await lonely.sandbox.control('/faults', { faults: [{ endpoint: '*', kind: '500-before' }] });

    const { body } = await eventually(async () => {
      const answer = await lonely.service.get<typeof examples.HEALTH>('/health');
      return answer.status === 503 && answer;
    });

    expect(missingFrom(examples.HEALTH, body)).toEqual([]);
    expect(body).toMatchObject({ status: 'unhealthy', dependencies: { novitaApi: 'unhealthy', database: 'healthy' } });
    await lonely.sandbox.control('/faults/clear', {});
    await eventually(async () => (await lonely.service.get('/health')).status === 200, 60_000);
  }, 90_000);
});
