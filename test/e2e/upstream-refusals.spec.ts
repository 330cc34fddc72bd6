import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { SandboxProcess } from '../sandbox/sandbox-process.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World } from '../support/world.js';

interface Details {
  id: string;
  status: string;
  statusReason?: { code: string; message: string };
  machine?: { novitaId: string; region: string; productId: string; billingMode: string; pricePerHourUsd: string };
}

interface Health {
  readonly dependencies: Record<string, string>;
  readonly upstream: { readonly lastFailure?: string };
}

/** What the upstream might say; none of it may reach a user. */
const UPSTREAM_WORDS = /upstream-secret|metadata|"reason"|template not found|product not found|stack/i;

async function place(service: ServiceProcess, overrides: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
  expect(status).toBe(201);
  return body.instanceId;
}

async function details(service: ServiceProcess, id: string): Promise<Details> {
  return (await service.get<Details>(`/api/instances/${id}`)).body;
}

async function untilStatus(service: ServiceProcess, id: string, status: string, timeoutMs?: number): Promise<Details> {
  return eventually(async () => {
    const seen = await details(service, id);
    return seen.status === status && seen;
  }, timeoutMs);
}

describe('an order that the provider refuses', () => {
  let world: World;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    world = await World.start({ env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });
  });

  afterEach(async () => {
    await world.sandbox.control('/config', { balance: 'ok', maxMachines: null });
    await world.sandbox.control('/faults/clear', {});
  });

  afterAll(async () => {
    await world.stop();
    await receiver.stop();
  });

  it.each([
    ['an unknown template', { templateId: 'no-such-template' }, 'TEMPLATE_NOT_FOUND', /check templateId/],
    ['somebody else’s template', { templateId: '990001' }, 'TEMPLATE_NOT_FOUND', /belongs to somebody else/],
    ['an unknown product', { productName: 'RTX 9999 1TB' }, 'PRODUCT_NOT_FOUND', /check productName/],
    ['a product by half its name', { productName: 'RTX 4090' }, 'PRODUCT_NOT_FOUND', /check productName/],
    ['a product that is not sold there', { productName: 'RTX 5090 32GB' }, 'PRODUCT_NOT_FOUND', /check productName/],
    ['an unknown region', { region: 'XX-NO-99' }, 'REGION_NOT_FOUND', /check region/],
    ['a disk that is too large', { rootfsSize: 2000 }, 'ROOTFS_SIZE_NOT_OFFERED', /check rootfsSize/],
    ['no spot price', { productName: 'RTX 3090 24GB' }, 'BILLING_MODE_NOT_OFFERED', /another billingMode/],
    ['a product that is sold out', { productName: 'L40S 48GB', region: 'US-CA-06' }, 'NO_CAPACITY', /try again later/],
  ])('fails with a reason that its user can act on: %s', async (_, overrides, code, sentence) => {
    const id = await place(world.service, { ...overrides, webhookUrl: receiver.url });

    const { statusReason } = await untilStatus(world.service, id, 'failed');

    expect(statusReason?.code).toBe(code);
    expect(statusReason?.message).toMatch(sentence);
    const webhook = await eventually(async () => receiver.events().find(({ body }) => body['instanceId'] === id));
    expect(webhook.body).toMatchObject({ event: 'instance.failed', error: statusReason });
    expect(webhook.raw).not.toMatch(UPSTREAM_WORDS);
    expect(JSON.stringify(statusReason)).not.toMatch(UPSTREAM_WORDS);
  });

  it('fails with INSUFFICIENT_BALANCE when the account is empty', async () => {
    await world.sandbox.control('/config', { balance: 'empty' });
    const id = await place(world.service);

    expect((await untilStatus(world.service, id, 'failed')).statusReason?.code).toBe('INSUFFICIENT_BALANCE');
  });

  it('fails with QUOTA_EXCEEDED when the account may have no more machines', async () => {
    await world.sandbox.control('/config', { maxMachines: 0 });
    const id = await place(world.service);

    expect((await untilStatus(world.service, id, 'failed')).statusReason?.code).toBe('QUOTA_EXCEEDED');
  });

  it('says of a refusal that nobody foresaw what the reason code was, and nothing of its words', async () => {
    await world.sandbox.control('/faults', {
      faults: [
        { endpoint: 'create', kind: 'refuse', count: 1, reason: 'MOON_PHASE', message: 'upstream-secret 10.1.2.3' },
      ],
    });
    const id = await place(world.service, { webhookUrl: receiver.url });

    const { statusReason } = await untilStatus(world.service, id, 'failed');

    expect(statusReason).toEqual({ code: 'NOVITA_API_ERROR', message: expect.stringContaining('MOON_PHASE') });
    const { body } = await world.service.get(`/api/instances/${id}`);
    expect(JSON.stringify(body)).not.toMatch(UPSTREAM_WORDS);
    expect(world.service.lines.join('\n')).not.toContain('upstream-secret');
  });

  it('leaves nothing that bills', async () => {
    const { exists } = await world.sandbox.ledger();

    expect(exists).toEqual([]);
  });
});

describe('a service whose key the provider rejects', () => {
  it('fails orders with NOVITA_AUTH_FAILED, says so in its health, and shows the key nowhere', async () => {
    const sandbox = await SandboxProcess.start({ SANDBOX_API_KEY: 'sk_right_key_0123456789' });
    const key = 'sk_wrong_key_9876543210';
    const world = await World.start({ env: { NOVITA_API_BASE_URL: sandbox.baseUrl, NOVITA_API_KEY: key } });
    const id = await place(world.service);

    const { statusReason } = await untilStatus(world.service, id, 'failed');
    const health = await eventually(async () => {
      const answer = await world.service.get<Health>('/health');
      return answer.status === 503 && answer.body;
    });
    const asked = [
      await world.service.get('/api/instances'),
      await world.service.get(`/api/instances/${id}`),
      await world.service.post('/api/instances', anOrder()),
      await world.service.send('DELETE', `/api/instances/${id}`),
    ];

    expect(statusReason?.code).toBe('NOVITA_AUTH_FAILED');
    expect(statusReason?.message).toContain('NOVITA_API_KEY');
    expect(health.upstream.lastFailure).toBe('auth');
    expect(health.dependencies).toMatchObject({ novitaApi: 'unhealthy', database: 'healthy' });
    // The caller’s own key is not what is wrong, and nothing that it is answered says so.
    expect(asked.map(({ status }) => status)).toEqual([200, 200, 201, 202]);
    expect((await world.service.get('/health/ready')).status).toBe(200);
    expect(world.service.lines.join('\n')).not.toContain(key);
    await world.stop();
    await sandbox.stop();
  });
});

describe('an upstream that is away for a while', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start();
  });

  afterAll(() => world.stop());

  it.each([
    ['answers 429 to everything', { endpoint: '*', kind: '429', retryAfter: 1 }, 'template-123'],
    ['answers 500 to everything', { endpoint: '*', kind: '500-before' }, '107672'],
    ['resets every connection', { endpoint: '*', kind: 'reset-before' }, '107673'],
    ['sends error pages', { endpoint: '*', kind: 'html-before' }, '107680'],
  ])(
    'lets orders wait and say so while it %s, and they come up afterwards',
    async (_, fault, templateId) => {
      const bought = (await world.sandbox.ledger()).machines.length;
      await world.sandbox.control('/faults', { faults: [fault] });
      // A template of its own for each case: what is cached needs no upstream.
      const id = await place(world.service, { templateId });

      const waiting = await eventually(async () => {
        const seen = await details(world.service, id);
        return seen.statusReason !== undefined && seen;
      }, 30_000);
      await world.sandbox.control('/faults/clear', {});
      const running = await untilStatus(world.service, id, 'running', 60_000);

      expect(waiting).toMatchObject({ status: 'creating', statusReason: { code: 'WAITING_FOR_PROVIDER' } });
      expect(running.statusReason).toBeUndefined();
      expect((await world.sandbox.ledger()).machines).toHaveLength(bought + 1);
    },
    120_000,
  );

  it('looks for the machine when create is not answered clearly, and buys it once', async () => {
    const bought = (await world.sandbox.ledger()).machines.length;
    await world.sandbox.control('/faults', { faults: [{ endpoint: 'create', kind: '500-after', count: 1 }] });
    const id = await place(world.service);

    const { machine } = await untilStatus(world.service, id, 'running');

    const { machines } = await world.sandbox.ledger();
    expect(machines).toHaveLength(bought + 1);
    expect(machines.map(({ id: known }) => known)).toContain(machine?.novitaId);
  });
});

describe('the choice of a machine', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({ env: { FALLBACK_REGIONS: 'AS-SGP-02,US-CA-06' } });
  });

  afterAll(() => world.stop());

  const comeUp = async (overrides: Record<string, unknown>) => {
    const { machine } = await untilStatus(world.service, await place(world.service, overrides), 'running');
    return machine;
  };

  it('takes the cheapest on-demand offer for an on-demand order, which is not the one of the cheapest spot price', async () => {
    const machine = await comeUp({ billingMode: 'onDemand' });

    expect(machine).toMatchObject({ productId: '4090.16c96g.v2', billingMode: 'onDemand', pricePerHourUsd: '0.33' });
    const { machines } = await world.sandbox.ledger();
    expect(machines.find(({ id }) => id === machine?.novitaId)?.pricePerHourMicros).toBe(330_000);
  });

  it('pays for every GPU of the machine', async () => {
    const machine = await comeUp({ gpuNum: 4 });

    expect(machine).toMatchObject({ productId: '4090.16c62g', pricePerHourUsd: '0.7' });
  });

  it('goes to the next fallback region without stock in the wished one, and remembers which place failed', async () => {
    // The catalogue was read while there was stock: only the create call finds out.
    await comeUp({ gpuNum: 2 });
    await world.sandbox.control('/stock', { cluster: 'CN-HK-01', billingMode: 'spot', count: 0 });

    const first = await comeUp({ gpuNum: 2, name: 'first' });
    const refusedAfterFirst = await refusals();
    const second = await comeUp({ gpuNum: 2, name: 'second' });

    expect([first?.region, second?.region]).toEqual(['AS-SGP-02', 'AS-SGP-02']);
    expect(refusedAfterFirst).toBeGreaterThan(0);
    expect(await refusals()).toBe(refusedAfterFirst);
  });

  it('fails with NO_CAPACITY when nothing is free anywhere', async () => {
    await world.sandbox.control('/stock', { count: 0 });
    const id = await place(world.service, { gpuNum: 3 });

    const { statusReason } = await untilStatus(world.service, id, 'failed');

    expect(statusReason?.code).toBe('NO_CAPACITY');
    await world.sandbox.control('/stock', { count: null });
  });

  /** Create calls that brought no machine. */
  async function refusals(): Promise<number> {
    const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
    return (counts['create'] ?? 0) - (await world.sandbox.ledger()).machines.length;
  }
});
