import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { TestClock } from '../support/test-clock.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually } from '../support/world.js';

const HOUR_MS = 3_600_000;

describe('a receiver that refuses some events and takes the others', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let replica: LogReplica;
  const clock = new TestClock();

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    const env = { WEBHOOK_ALLOWED_HOSTS: receiver.host };
    replica = await LogReplica.start({ databaseUrl: database.url, clock, env });
  });

  afterAll(async () => {
    await replica.stop();
    await receiver.stop();
    await database.drop();
  });

  const triesOf = (id: string) => receiver.received.filter(({ headers }) => headers['webhook-id'] === id).length;

  it('gets the others, also when nothing but the refused ones came for hours', async () => {
    const url = `${receiver.url}/quiet`;
    receiver.answer = ({ body }) => (body['event'] === 'instance.exited' ? 422 : 204);
    const refused = await replica.write('inst-refused', { webhookUrl: url, type: 'instance.exited' });
    for (let tries = 1; tries <= 6; tries += 1) {
      await eventually(async () => triesOf(refused.id) >= tries);
      clock.skip(7 * HOUR_MS);
    }

    const wanted = await replica.write('inst-wanted', { webhookUrl: url, type: 'instance.ready' });

    await eventually(async () => triesOf(wanted.id) === 1);
    expect(triesOf(wanted.id)).toBe(1);
  });

  it('gets the others, also when many were refused in a row', async () => {
    const url = `${receiver.url}/busy`;
    const refused: { id: string }[] = [];
    for (let count = 0; count < 8; count += 1)
      refused.push(await replica.write(`inst-many-${count}`, { webhookUrl: url, type: 'instance.exited' }));
    await eventually(async () => refused.filter(({ id }) => triesOf(id) > 0).length >= 5);

    const wanted = await replica.write('inst-still-wanted', { webhookUrl: url, type: 'instance.ready' });
    clock.skip(60_000);
    for (let minutes = 0; minutes < 20 && triesOf(wanted.id) === 0; minutes += 1) {
      clock.skip(60_000);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    }

    expect(triesOf(wanted.id)).toBe(1);
  }, 60_000);

  it('gets the others, also when they come after refused ones of the same instances', async () => {
    const url = `${receiver.url}/behind`;
    const instances = Array.from({ length: 5 }, (_, index) => `inst-behind-${index}`);
    const refused: { id: string }[] = [];
    for (const instance of instances)
      refused.push(await replica.write(instance, { webhookUrl: url, type: 'instance.exited' }));
    await eventually(async () => refused.every(({ id }) => triesOf(id) > 0));
    const wanted: { id: string }[] = [];
    for (const instance of instances)
      wanted.push(await replica.write(instance, { webhookUrl: url, type: 'instance.ready' }));

    const areThere = () => wanted.every(({ id }) => triesOf(id) > 0);
    for (let round = 0; round < 40 && !areThere(); round += 1) {
      clock.skip(5 * 60_000);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
    }

    expect(wanted.map(({ id }) => triesOf(id))).toEqual([1, 1, 1, 1, 1]);
  }, 90_000);
});

describe('the look whether a receiver is back', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let replica: LogReplica;
  const clock = new TestClock();

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    const env = { WEBHOOK_ALLOWED_HOSTS: receiver.host };
    replica = await LogReplica.start({ databaseUrl: database.url, clock, env });
  });

  afterAll(async () => {
    await replica.stop();
    await receiver.stop();
    await database.drop();
  });

  it('does not take a later event of an instance first, although a slow clock has dated it earlier', async () => {
    receiver.answer = () => 503;
    for (let count = 0; count < 5; count += 1) await replica.write(`inst-down-${count}`, { webhookUrl: receiver.url });
    await eventually(async () => receiver.received.length >= 5);
    const first = await replica.write('inst-skewed', { webhookUrl: receiver.url });
    clock.skip(-2 * HOUR_MS);
    const second = await replica.write('inst-skewed', { webhookUrl: receiver.url });
    clock.skip(3 * HOUR_MS);
    receiver.answer = () => 204;

    await eventually(async () => receiver.received.some(({ headers }) => headers['webhook-id'] === second.id));

    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids.filter((id) => id === first.id || id === second.id)).toEqual([first.id, second.id]);
  });
});
