import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

const CANARIES = {
  NOVITA_API_KEY: 'canary-novita-key-8f31',
  WEBHOOK_SECRET: 'canary-webhook-secret-51ce',
  SECRETS_KEY: 'canary-secrets-key-77aa0b',
};

interface Details {
  status: string;
  connectionDetails: { sshPassword?: string };
}

describe('secrets', () => {
  let world: World;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    world = await World.start({ env: { ...CANARIES, LOG_LEVEL: 'trace', WEBHOOK_ALLOWED_HOSTS: receiver.host } });
  }, 120_000);

  afterAll(async () => {
    await world.stop();
    await receiver.stop();
  });

  it('are in no webhook, no event, no delivery and no line of the log', async () => {
    const { service } = world;
    const { body: webhook } = await service.post<{ secret: string; id: string }>('/api/webhooks', {
      url: receiver.url,
    });
    const { body: rotated } = await service.post<{ secret: string }>(`/api/webhooks/${webhook.id}/rotate-secret`);
    const order = anOrder({ webhookUrl: `${receiver.url}/inline` });
    const { body: accepted } = await service.post<{ instanceId: string }>('/api/instances', order);
    const path = `/api/instances/${accepted.instanceId}`;
    const details = await eventually(async () => {
      const { body } = await service.get<Details>(path);
      return body.status === 'running' && body;
    });
    await service.post('/api/instances', anOrder({ templateId: 'no-such-template', webhookUrl: receiver.url }));
    await service.send('DELETE', path);
    await eventually(
      async () => receiver.events('instance.deleted').length === 2 && receiver.events('instance.failed').length === 2,
      60_000,
    );

    const told = JSON.stringify([
      receiver.received,
      (await service.get('/api/events?limit=500')).body,
      (await service.get(`${path}/events`)).body,
      (await service.get('/api/webhooks')).body,
      (await service.get('/api/webhooks/deliveries')).body,
      service.lines,
    ]);

    const secrets = [...Object.values(CANARIES), webhook.secret, rotated.secret].flatMap((secret) => [
      secret,
      secret.replace('whsec_', ''),
      Buffer.from(secret).toString('base64').replaceAll('=', ''),
    ]);
    const { sshPassword } = details.connectionDetails;
    for (const secret of [...secrets, ...(sshPassword === undefined ? [] : [sshPassword])])
      expect(told).not.toContain(secret);
  }, 120_000);
});
