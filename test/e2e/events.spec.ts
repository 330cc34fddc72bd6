import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

interface LoggedEvent {
  id: string;
  type: string;
  sequence: number;
  actor: string;
  from: string | null;
  to: string;
  data: Record<string, unknown>;
  notification: { event: string; status: string } | null;
}

describe('the life of an instance', () => {
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

  it('is told whole: each change with who made it, from where to where, and each that matters to receivers', async () => {
    const { service } = world;
    const { body: order } = await service.post<{ instanceId: string }>(
      '/api/instances',
      anOrder({ webhookUrl: receiver.url }),
    );
    const path = `/api/instances/${order.instanceId}`;
    const untilStatus = (status: string) =>
      eventually(async () => (await service.get<{ status: string }>(path)).body.status === status, 30_000);
    await untilStatus('running');
    await service.post(`${path}/stop`);
    await untilStatus('stopped');
    await service.post(`${path}/start`);
    await untilStatus('running');
    await service.send('DELETE', path);
    await eventually(async () => receiver.events('instance.deleted').length === 1, 30_000);

    const { events } = (await service.get<{ events: LoggedEvent[] }>(`${path}/events?limit=500`)).body;

    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ from }) => from)).toEqual([null, ...events.slice(0, -1).map(({ to }) => to)]);
    expect(events.at(-1)).toMatchObject({ type: 'instance.deleted', to: 'deleted' });
    const wishes = events.filter(({ actor }) => actor === 'user:anonymous');
    expect(wishes.map(({ type, data }) => data['wish'] ?? type)).toEqual([
      'instance.requested',
      'stop',
      'start',
      'delete',
    ]);
    const told = events.filter(({ notification }) => notification !== null);
    expect(told.map(({ notification }) => [notification?.event, notification?.status])).toEqual([
      ['instance.ready', 'running'],
      ['instance.stopped', 'stopped'],
      ['instance.started', 'running'],
      ['instance.deleted', 'exited'],
    ]);
    const arrived = receiver.received.map(({ headers }) => [headers['webhook-id'], headers['webhook-sequence']]);
    expect(arrived).toEqual(told.map(({ id, sequence }) => [id, String(sequence)]));
  }, 120_000);
});
