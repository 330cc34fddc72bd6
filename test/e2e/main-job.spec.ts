import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, QUICK, World } from '../support/world.js';

interface Details {
  status: string;
  readyAt?: string;
  statusReason?: { code: string; message: string };
  portMappings: { port: number; endpoint: string; type: string }[];
  connectionDetails: { ssh?: string; jupyter?: string };
}

describe('the main job', () => {
  let world: World;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    world = await World.start({ env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });
  });

  afterAll(async () => {
    await world.stop();
    await receiver.stop();
  });

  const orderAndWait = async (overrides: Record<string, unknown>, status: string) => {
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
    const path = `/api/instances/${body.instanceId}`;
    const details = await eventually(async () => {
      const answer = await world.service.get<Details>(path);
      return answer.body.status === status && answer.body;
    });
    return { id: body.instanceId, details };
  };

  it('brings an ordered instance up, says how to reach it, and tells the receiver in a signed webhook', async () => {
    const { id, details } = await orderAndWait({ webhookUrl: receiver.url }, 'running');

    const webhook = await eventually(async () =>
      receiver.events('instance.ready').find(({ body }) => body['instanceId'] === id),
    );
    const verified = new Webhook(QUICK['WEBHOOK_SECRET'] ?? '').verify(
      webhook.raw,
      webhook.headers as Record<string, string>,
    );
    expect(verified).toMatchObject({ event: 'instance.ready', instanceId: id, status: 'running', instance: { id } });
    expect(details.readyAt).toMatch(/^\d{4}-.*Z$/);
    expect(details.connectionDetails.ssh).toMatch(/^ssh /);
    expect(details.portMappings.map(({ port }) => port).toSorted((a, b) => a - b)).toEqual([22, 8888]);
  });

  it('buys the cheapest spot machine of exactly the wished product', async () => {
    const { id } = await orderAndWait({}, 'running');

    const { body } = await world.service.get<{ machine: { novitaId: string; billingMode: string } }>(
      `/api/instances/${id}`,
    );
    const ledger = await world.sandbox.ledger();
    const bought = ledger.machines.filter((machine) => machine.id === body.machine.novitaId);
    expect(bought).toHaveLength(1);
    expect(bought[0]?.pricePerHourMicros).toBe(175_000);
    expect(body.machine.billingMode).toBe('spot');
  });

  it('ends a failed start with a reason, a webhook, and nothing that bills', async () => {
    const { id, details } = await orderAndWait({ templateId: 'no-such-template', webhookUrl: receiver.url }, 'failed');

    const webhook = await eventually(async () =>
      receiver.events('instance.failed').find(({ body }) => body['instanceId'] === id),
    );
    expect(webhook.body).toMatchObject({ status: 'failed', error: { code: 'TEMPLATE_NOT_FOUND' } });
    expect(details.statusReason?.code).toBe('TEMPLATE_NOT_FOUND');
  });

  it('deletes an instance: a 404 once its machine is gone from the provider', async () => {
    const { id } = await orderAndWait({}, 'running');
    const before = await world.service.get<{ machine: { novitaId: string } }>(`/api/instances/${id}`);

    const answer = await world.service.send('DELETE', `/api/instances/${id}`);

    expect(answer.status).toBe(202);
    await eventually(async () => (await world.service.get(`/api/instances/${id}`)).status === 404);
    const ledger = await world.sandbox.ledger();
    expect(ledger.exists.filter((machine) => machine.id === before.body.machine.novitaId)).toEqual([]);
  });

  it('stops and starts an instance with fresh ways in', async () => {
    const { id } = await orderAndWait({}, 'running');
    const path = `/api/instances/${id}`;
    const first = await world.service.get<Details>(path);

    await world.service.post(`${path}/stop`);
    await eventually(async () => (await world.service.get<Details>(path)).body.status === 'stopped');
    await world.service.post(`${path}/start`);
    const second = await eventually(async () => {
      const answer = await world.service.get<Details>(path);
      return answer.body.status === 'running' && answer.body;
    });

    expect(second.connectionDetails.ssh).not.toBe(first.body.connectionDetails.ssh);
  });
});
