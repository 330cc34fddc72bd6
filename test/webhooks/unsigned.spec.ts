import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually } from '../support/world.js';

describe('webhooks of instances while no secret is set', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let replica: LogReplica;

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    replica = await LogReplica.start({ databaseUrl: database.url, env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });
  });

  afterAll(async () => {
    await replica.stop();
    await receiver.stop();
    await database.drop();
  });

  it('carry all that the document promises but the signature', async () => {
    const event = await replica.write('inst-unsigned', { webhookUrl: receiver.url });

    const { headers } = await eventually(async () => receiver.received[0]);

    expect(headers).toMatchObject({ 'webhook-id': event.id, 'webhook-sequence': '1', 'webhook-attempt': '1' });
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60);
    expect(headers).not.toHaveProperty('webhook-signature');
  });
});
