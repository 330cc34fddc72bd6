import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { ServiceProcess } from '../support/service-process.js';
import { type ReceivedWebhook, WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, QUICK } from '../support/world.js';

interface WebhookBody {
  id: string;
  kind: string;
  url: string;
  eventTypes: string[];
  enabled: boolean;
  headerNames: string[];
  secret?: string;
  disabledReason: string | null;
}

interface DeliveryBody {
  id: string;
  eventId: string;
  status: string;
  attempts: number;
  tries: { status: number; failure: string | null }[];
}

describe('standing subscriptions', () => {
  let database: TestDatabase;
  let writer: LogReplica;
  let service: ServiceProcess;
  let receiver: WebhookReceiver;
  let elsewhere: WebhookReceiver;

  beforeAll(async () => {
    database = await createTestDatabase();
    [receiver, elsewhere] = await Promise.all([WebhookReceiver.start(), WebhookReceiver.start()]);
    writer = await LogReplica.start({ databaseUrl: database.url, sends: false });
    service = await ServiceProcess.start({
      ...QUICK,
      LOG_LEVEL: 'debug',
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
      WEBHOOK_ALLOWED_HOSTS: `${receiver.host},${elsewhere.host}`,
      WEBHOOK_DENIED_PORTS: '9443',
    });
  });

  afterAll(async () => {
    await service.stop();
    await writer.stop();
    await receiver.stop();
    await elsewhere.stop();
    await database.drop();
  });

  const subscribe = async (path: string, more: object = {}) => {
    const { status, body } = await service.post<WebhookBody>('/api/webhooks', {
      url: `${receiver.url}${path}`,
      ...more,
    });
    expect(status).toBe(201);
    return { ...body, secret: body.secret ?? '' };
  };
  const arrivals = (path: string, id?: string) =>
    receiver.received.filter(
      ({ url, headers }) => url === `/webhook${path}` && (id ?? headers['webhook-id']) === headers['webhook-id'],
    );
  const arrival = (path: string, id: string) => eventually(async () => arrivals(path, id)[0]);
  const verify = (secret: string, { raw, headers }: ReceivedWebhook) =>
    new Webhook(secret).verify(raw, headers as Record<string, string>);
  const deliveriesOf = async (webhookId: string, more = '') =>
    (await service.get<{ deliveries: DeliveryBody[] }>(`/api/webhooks/deliveries?webhookId=${webhookId}${more}`)).body
      .deliveries;

  it('send events of the wished types, signed with a secret that is shown once', async () => {
    const { id, secret } = await subscribe('/once', { eventTypes: ['instance.ready'] });

    await writer.write('inst-a', { type: 'instance.exited' });
    const ready = await writer.write('inst-a', { type: 'instance.ready' });

    const webhook = await arrival('/once', ready.id);
    expect(verify(secret, webhook)).toMatchObject({ event: 'instance.ready', instanceId: 'inst-a' });
    expect(webhook.headers).toMatchObject({ 'webhook-sequence': '2', 'webhook-attempt': '1' });
    expect(arrivals('/once')).toHaveLength(1);
    const shown = JSON.stringify([
      (await service.get(`/api/webhooks/${id}`)).body,
      (await service.get('/api/webhooks')).body,
      service.lines,
    ]);
    expect(shown).not.toContain(secret);
    expect(shown).not.toContain(secret.slice('whsec_'.length));
  });

  it('send their own headers along, whose values are shown to nobody', async () => {
    const headers = { 'X-Gateway-Token': 'canary-token-51', 'x-team': 'größe 1' };
    const { id, headerNames } = await subscribe('/headers', { headers });

    const first = await writer.write('inst-headers');
    const { headers: got } = await arrival('/headers', first.id);
    const changed = await service.send<WebhookBody>('PATCH', `/api/webhooks/${id}`, { headers: {} });
    const second = await writer.write('inst-headers');
    const { headers: later } = await arrival('/headers', second.id);

    expect(headerNames).toEqual(['X-Gateway-Token', 'x-team']);
    expect(got).toMatchObject({ 'x-gateway-token': 'canary-token-51', 'x-team': 'größe 1' });
    expect(changed.body.headerNames).toEqual([]);
    expect(later['x-gateway-token']).toBeUndefined();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM webhook_endpoints t`);
    await client.end();
    const shown = JSON.stringify([rows, (await service.get('/api/webhooks')).body, changed.body, service.lines]);
    expect(shown).not.toContain('canary-token-51');
  });

  it('do not send the headers that were meant for one origin to another', async () => {
    const { id } = await subscribe('/bound', { headers: { 'X-Gateway-Token': 'canary-token-52' } });
    const patch = (change: object) =>
      service.send<WebhookBody & { error: { details: { field: string } } }>('PATCH', `/api/webhooks/${id}`, change);

    const refused = await patch({ url: `${elsewhere.url}/bound` });
    const within = await patch({ url: `${receiver.url}/bound/moved` });
    const anew = await patch({ url: `${elsewhere.url}/bound`, headers: { 'X-Other': 'one' } });
    await service.post(`/api/webhooks/${id}/test`, {});

    expect([refused.status, refused.body.error.details.field]).toEqual([400, 'headers']);
    expect([within.status, within.body.headerNames]).toEqual([200, ['X-Gateway-Token']]);
    expect([anew.status, anew.body.headerNames]).toEqual([200, ['X-Other']]);
    expect(elsewhere.received.map(({ headers }) => [headers['x-other'], headers['x-gateway-token']])).toEqual([
      ['one', undefined],
    ]);
  });

  it.each<[unknown, string]>([
    [{ host: 'evil' }, 'host: reserved-header'],
    [{ 'Webhook-Id': 'evt_1' }, 'Webhook-Id: reserved-header'],
    [{ authorization: 'Bearer x' }, 'authorization: authorization-without-https'],
    [{ 'x-a': 'b\r\nhost: evil' }, 'x-a: not-a-header-value'],
    [{ 'x a': 'b' }, 'x a: not-a-header-name'],
    [{ 'x-a': 1 }, 'must be an object of texts'],
    [['x-a'], 'must be an object of texts'],
  ])('refuse the headers %j', async (headers, message) => {
    const answer = await service.post<{ error: { code: string; message: string; details: { field: string } } }>(
      '/api/webhooks',
      { url: `${receiver.url}/refused`, headers },
    );

    expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_ERROR']);
    expect(JSON.stringify(answer.body.error)).toContain(message);
  });

  it('keep their secrets encrypted, each bound to its own receiver', async () => {
    const [one, two] = [await subscribe('/sealed-1'), await subscribe('/sealed-2')];
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();

    const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM webhook_endpoints t`);
    await client.query(
      `UPDATE webhook_endpoints SET secrets = (SELECT secrets FROM webhook_endpoints WHERE id = $2) WHERE id = $1`,
      [one.id, two.id],
    );
    await client.end();
    const event = await writer.write('inst-sealed');

    await arrival('/sealed-2', event.id);
    const [delivery] = await eventually(async () => {
      const found = await deliveriesOf(one.id);
      return found.some(({ attempts }) => attempts > 0) && found;
    });
    expect(rows.map(({ text }) => text).join()).not.toContain(one.secret.slice('whsec_'.length));
    expect(delivery).toMatchObject({ status: 'pending', lastFailure: 'signing' });
    expect(arrivals('/sealed-1')).toEqual([]);
    const sample = await service.post(`/api/webhooks/${one.id}/test`);
    expect(sample).toMatchObject({ status: 200, body: { delivered: false, status: null, failure: 'signing' } });
  });

  it('rotate their secret with a day in which both verify', async () => {
    const { id, secret: old } = await subscribe('/rotated');

    const { body } = await service.post<WebhookBody>(`/api/webhooks/${id}/rotate-secret`);
    const event = await writer.write('inst-rotated');

    const webhook = await arrival('/rotated', event.id);
    expect(body.secret).not.toBe(old);
    expect(verify(body.secret ?? '', webhook)).toMatchObject({ instanceId: 'inst-rotated' });
    expect(verify(old, webhook)).toMatchObject({ instanceId: 'inst-rotated' });
    expect(() => verify('whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD', webhook)).toThrow();
  });

  it('send a sample on request and say what came of it', async () => {
    const { id, secret } = await subscribe('/sample');

    const { status, body } = await service.post(`/api/webhooks/${id}/test`);

    expect(status).toBe(200);
    expect(body).toMatchObject({ delivered: true, status: 204, failure: null });
    expect(verify(secret, arrivals('/sample')[0]!)).toMatchObject({ event: 'webhook.test' });
  });

  it('hold their events while they are disabled, and send them in order afterwards', async () => {
    const { id } = await subscribe('/held');
    await service.send('PATCH', `/api/webhooks/${id}`, { enabled: false });

    const written = [await writer.write('inst-held'), await writer.write('inst-held')];
    const held = await deliveriesOf(id, '&status=held');
    const { body } = await service.send<WebhookBody>('PATCH', `/api/webhooks/${id}`, { enabled: true });

    await eventually(async () => arrivals('/held').length === 2);
    expect(held).toHaveLength(2);
    expect(body).toMatchObject({ enabled: true, disabledReason: null });
    expect(arrivals('/held').map(({ headers }) => headers['webhook-id'])).toEqual(
      written.map(({ id: event }) => event),
    );
  });

  it('are disabled by a 410 and keep the event for later', async () => {
    const { id } = await subscribe('/gone');
    receiver.answer = ({ url }) => (url === '/webhook/gone' ? 410 : 204);

    const event = await writer.write('inst-gone');
    const disabled = await eventually(async () => {
      const { body } = await service.get<WebhookBody>(`/api/webhooks/${id}`);
      return !body.enabled && body;
    });
    receiver.answer = () => 204;
    await service.send('PATCH', `/api/webhooks/${id}`, { enabled: true });

    await eventually(async () => arrivals('/gone', event.id).length === 2);
    expect(disabled.disabledReason).toBe('gone');
    const { body: audit } = await service.get<{ entries: object[] }>(`/api/audit?target=${id}&actor=service`);
    expect(audit.entries).toMatchObject([{ action: 'disableWebhook', outcome: 'accepted', errorCode: 'gone' }]);
  });

  it('send a delivery again on request: the same bytes under the same id', async () => {
    const { id } = await subscribe('/again');
    const event = await writer.write('inst-again');
    await arrival('/again', event.id);
    const [delivery] = await eventually(async () => {
      const found = await deliveriesOf(id, '&status=delivered');
      return found.length === 1 && found;
    });

    const one = await service.post(`/api/webhooks/deliveries/${delivery?.id}/redeliver`);
    await eventually(async () => arrivals('/again', event.id).length === 2);
    await eventually(async () => (await deliveriesOf(id, '&status=delivered')).length === 1);
    const many = await service.post(`/api/webhooks/deliveries/redeliver`, {
      webhookId: id,
      status: 'delivered',
      from: new Date(Date.now() - 60_000).toISOString(),
    });
    await eventually(async () => arrivals('/again', event.id).length === 3);

    expect([one.status, many.status]).toEqual([202, 202]);
    expect(many.body).toEqual({ count: 1, hasMore: false, next: null });
    expect(new Set(arrivals('/again').map(({ raw }) => raw))).toEqual(new Set([event.body]));
    const details = await eventually(async () => {
      const { body } = await service.get<DeliveryBody>(`/api/webhooks/deliveries/${delivery?.id}/attempts`);
      return body.tries.length === 3 && body;
    });
    expect(details.tries.map(({ status }) => status)).toEqual([204, 204, 204]);
  });

  it('are gone once deleted: nothing more is sent, and their deliveries say so', async () => {
    const { id } = await subscribe('/deleted');
    receiver.answer = ({ url }) => (url === '/webhook/deleted' ? 500 : 204);
    const event = await writer.write('inst-deleted');
    await arrival('/deleted', event.id);

    const { status } = await service.send('DELETE', `/api/webhooks/${id}`);
    receiver.answer = () => 204;
    await writer.write('inst-deleted');

    expect(status).toBe(204);
    expect((await service.get(`/api/webhooks/${id}`)).status).toBe(404);
    expect(await deliveriesOf(id)).toMatchObject([{ status: 'cancelled' }]);
  });

  it('show the receivers that instances have named, which can only be switched on and off', async () => {
    const event = await writer.write('inst-inline', { webhookUrl: `${receiver.url}/inline` });
    const webhook = await arrival('/inline', event.id);
    const { body } = await service.get<{ webhooks: WebhookBody[] }>('/api/webhooks');
    const inline = body.webhooks.find(({ kind }) => kind === 'instance');

    const refused = await service.send<{ error: { code: string } }>('DELETE', `/api/webhooks/${inline?.id}`);
    const switched = await service.send<WebhookBody>('PATCH', `/api/webhooks/${inline?.id}`, { enabled: false });

    expect(verify(QUICK['WEBHOOK_SECRET'] ?? '', webhook)).toMatchObject({ instanceId: 'inst-inline' });
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'WEBHOOK_OF_INSTANCES' } } });
    expect(switched.body).toMatchObject({ enabled: false, disabledReason: 'user' });
  });

  it.each(['2024-W03-1', '2024-015', '2024', '2024-01-15T10:30:00', '+275760-09-14T00:00:00Z'])(
    'refuse the time %s, in the list and for sending again',
    async (from) => {
      const listed = await service.get(`/api/webhooks/deliveries?from=${encodeURIComponent(from)}`);
      const again = await service.post('/api/webhooks/deliveries/redeliver', { to: from });

      expect(listed).toMatchObject({ status: 400, body: { error: { details: { field: 'from' } } } });
      expect(again).toMatchObject({ status: 400, body: { error: { details: { field: 'to' } } } });
    },
  );

  it.each([
    [{ url: 'http://169.254.169.254/' }, 'url'],
    [{ url: 'http://127.0.0.1:1/' }, 'url'],
    [{ url: 'https://1.1.1.1:9443/' }, 'url'],
    [{}, 'url'],
    [{ url: 'https://example.com/', eventTypes: ['instance.unheard'] }, 'eventTypes'],
    [{ url: 'https://example.com/', secret: 'whsec_mine' }, 'secret'],
  ])('refuse %j and name the field', async (wish, field) => {
    const { status, body } = await service.post<{ error: { details: { field: string } } }>('/api/webhooks', wish);

    expect(status).toBe(400);
    expect(body.error.details.field).toBe(field);
  });
});
