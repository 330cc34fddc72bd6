import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { EventStreamClient } from '../support/event-stream-client.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';
import { appearance, bearer, BOOTSTRAP, type ErrorAnswer, makeKey } from './teams.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
const SCOPES = [
  'instances:read',
  'instances:write',
  'instances:delete',
  'webhooks:write',
  'migration:write',
  'metrics:read',
  'admin',
];

/**
 * One row for every operation: the scope that it asks for (null: anybody), the body that it takes, and which object of a team
 * it is about (null: none that a team owns).
 */
interface Row {
  readonly scope: string | null;
  readonly body?: () => unknown;
  /** What keeps it from answering for ever. */
  readonly query?: string;
  readonly owned?: 'instance' | 'webhook' | 'delivery';
}

/** One of each kind that has an address: those of the team `own`, or none that exist. */
interface Ids {
  readonly instanceId: string;
  readonly webhookId: string;
  readonly deliveryId: string;
  readonly keyId: string;
  readonly jobId: string;
}

const MISSING: Ids = {
  instanceId: 'inst-0123456789abcdef',
  webhookId: 'whe_01M8AF33WD0JESS75BS196B38P',
  deliveryId: 'dlv_0123456789abcdef0123456789abcdef',
  keyId: 'key0123456789abcdef',
  jobId: 'mig-0123456789abcdef',
};

const ROWS: Record<string, Row> = {
  createInstance: { scope: 'instances:write', body: () => anOrder() },
  listInstances: { scope: 'instances:read' },
  getInstance: { scope: 'instances:read', owned: 'instance' },
  deleteInstance: { scope: 'instances:delete', owned: 'instance' },
  startInstance: { scope: 'instances:write', owned: 'instance' },
  stopInstance: { scope: 'instances:write', owned: 'instance' },
  restartInstance: { scope: 'instances:write', owned: 'instance' },
  listInstanceEvents: { scope: 'instances:read', owned: 'instance' },
  listEvents: { scope: 'instances:read' },
  streamEvents: { scope: 'instances:read', query: '?after=nonsense' },
  createWebhook: { scope: 'webhooks:write', body: () => ({ url: 'https://1.1.1.1/', enabled: false }) },
  listWebhooks: { scope: 'webhooks:write' },
  getWebhook: { scope: 'webhooks:write', owned: 'webhook' },
  updateWebhook: { scope: 'webhooks:write', body: () => ({ enabled: false }), owned: 'webhook' },
  deleteWebhook: { scope: 'webhooks:write', owned: 'webhook' },
  rotateWebhookSecret: { scope: 'webhooks:write', owned: 'webhook' },
  testWebhook: { scope: 'webhooks:write', owned: 'webhook' },
  listWebhookDeliveries: { scope: 'webhooks:write' },
  getWebhookDelivery: { scope: 'webhooks:write', owned: 'delivery' },
  redeliverWebhooks: { scope: 'webhooks:write', body: () => ({ instanceId: 'inst-none' }) },
  redeliverWebhook: { scope: 'webhooks:write', owned: 'delivery' },
  getMigrationStatus: { scope: 'metrics:read' },
  triggerMigration: { scope: 'migration:write', body: () => ({ dryRun: true }) },
  listMigrations: { scope: 'metrics:read' },
  getMigration: { scope: 'metrics:read' },
  getMetrics: { scope: 'metrics:read' },
  createKey: { scope: 'admin', body: () => ({ teamId: 'made-by-matrix', scopes: ['metrics:read'] }) },
  listKeys: { scope: 'admin' },
  getKey: { scope: 'admin' },
  rotateKey: { scope: 'admin', body: () => ({}) },
  revokeKey: { scope: 'admin' },
  listAudit: { scope: 'admin' },
  verifyAudit: { scope: 'admin' },
  scrapeMetrics: { scope: 'metrics:read' },
  getHealth: { scope: null },
  getStartup: { scope: null },
  getLiveness: { scope: null },
  getReadiness: { scope: null },
};

/** What a look for lost machines would have left for an instance that it passed over. */
function anAttempt(jobId: string, instanceId: string): string {
  return `
    INSERT INTO migration_attempts (id, execution_id, instance_id, team_id, cause, triggered_by, state, because, started_at, ended_at)
    VALUES ('att-of-matrix', '${jobId}', '${instanceId}', 'own', 'spot_reclaim', 'manual_migration', 'skipped', 'not-lost', now(), now())`;
}

interface Operation {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly documentedScope: string | undefined;
}

jest.setTimeout(180_000);

describe('who may do what', () => {
  let world: World;
  let operations: Operation[];
  let adminKey: string;
  let receiver: WebhookReceiver;
  let ids: Ids;
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    world = await World.start({ env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP, WEBHOOK_ALLOWED_HOSTS: receiver.host } });
    const { service } = world;
    adminKey = (await makeKey(service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] })).key;
    for (const scope of SCOPES) {
      keys[scope] = (await makeKey(service, adminKey, { teamId: 'own', scopes: [scope] })).key;
      keys[`${scope} of another team`] = (await makeKey(service, adminKey, { teamId: 'other', scopes: [scope] })).key;
    }
    keys['revoked'] = await revokedKey();
    keys['expired'] = await expiredKey();
    operations = await readOperations();
    ids = await oneOfEachKind();
  });

  afterAll(async () => {
    await world.stop();
    await receiver.stop();
  });

  it('is said for every operation of the document, and for nothing else', () => {
    const documented = operations.map(({ operationId, documentedScope }) => [operationId, documentedScope ?? null]);

    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(Object.entries(ROWS).map(([operationId, { scope }]) => [operationId, scope])),
    );
  });

  it('holds without a key and with a malformed, revoked or expired one', async () => {
    const refused = [null, 'nonsense', keys['revoked'], keys['expired']];

    for (const operation of operations) {
      for (const key of refused) {
        const answer = await send(operation, ids, key ?? null);
        const seen = { operation: operation.operationId, key, status: answer.status };
        if (rowOf(operation).scope === null) expect(seen).toMatchObject({ status: expect.any(Number) });
        else expect(seen).toMatchObject({ status: 401 });
        if (rowOf(operation).scope === null) expect([401, 403]).not.toContain(answer.status);
      }
    }
  });

  it('holds for every single scope', async () => {
    for (const operation of operations) {
      const { scope } = rowOf(operation);
      if (scope === null) continue;
      for (const granted of SCOPES) {
        const answer = await send(operation, ids, keys[`${granted} of another team`] ?? '');

        const isAllowed = granted === scope || granted === 'admin';
        expect({ operation: operation.operationId, granted, refused: answer.status === 403 }).toEqual({
          operation: operation.operationId,
          granted,
          refused: !isAllowed,
        });
        expect(answer.status).not.toBe(401);
        expect(answer.status).toBeLessThan(500);
      }
    }
  });

  it('gives another team nothing for the ids and cursors of this one', async () => {
    const as = (scope: string, team = '') => bearer(keys[`${scope}${team}`] ?? '');
    const { service } = world;
    type Listed = { deliveries: unknown[]; events: { instanceId: string }[]; nextCursor: string; count: number };
    const { instanceId, webhookId, jobId } = ids;
    const start = (await service.get<Listed>('/api/events?limit=1', as('instances:read'))).body.nextCursor;
    const foreign = ' of another team';

    for (const filter of [`instanceId=${instanceId}`, `webhookId=${webhookId}`]) {
      const list = `/api/webhooks/deliveries?${filter}`;
      expect((await service.get<Listed>(list, as('webhooks:write'))).body.deliveries).not.toEqual([]);
      expect((await service.get<Listed>(list, as('webhooks:write', foreign))).body.deliveries).toEqual([]);
      const again = await service.post<Listed>(
        '/api/webhooks/deliveries/redeliver',
        Object.fromEntries([filter.split('=')]),
        as('webhooks:write', foreign),
      );
      expect(again.body).toEqual({ count: 0, hasMore: false, next: null });
    }
    const read = (key: Record<string, string>) => service.get<Listed>(`/api/events?after=${start}&limit=100`, key);
    expect((await read(as('instances:read'))).body.events).not.toEqual([]);
    const theirs = (await read(as('instances:read', foreign))).body.events;
    expect(theirs.filter((event) => event.instanceId === instanceId)).toEqual([]);
    const streams = await Promise.all(
      ['', foreign].map((team) =>
        EventStreamClient.open(
          `${service.url}/api/events/stream?after=${start}`,
          '',
          undefined,
          as('instances:read', team),
        ),
      ),
    );
    await eventually(async () => streams[0]!.events.some(({ data }) => data.instanceId === instanceId));
    expect(streams[1]!.status).toBe(200);
    expect(streams[1]!.events.filter(({ data }) => data.instanceId === instanceId)).toEqual([]);
    for (const stream of streams) stream.stop();
    const move = (team = '') =>
      service.get<{ instances: { instanceId: string }[] }>(`/api/migration/history/${jobId}`, as('metrics:read', team));
    expect((await move()).body.instances.map((one) => one.instanceId)).toEqual([instanceId]);
    expect((await move(foreign)).body.instances).toEqual([]);
  });

  it('makes another team’s object a 404 that looks like any other, for an administrator too', async () => {
    const owned = operations.filter((operation) => rowOf(operation).owned !== undefined);
    expect(owned.length).toBeGreaterThan(10);

    for (const operation of owned) {
      const { scope } = rowOf(operation);
      for (const stranger of [keys[`${scope} of another team`] ?? '', adminKey]) {
        const foreign = await send(operation, ids, stranger);
        const missing = await send(operation, MISSING, stranger);

        expect([operation.operationId, foreign.status]).toEqual([operation.operationId, 404]);
        expect(appearance(foreign)).toEqual(appearance(missing));
      }
    }
    // Its own team finds it all the same. What ends it comes last.
    const isLast = ({ method }: Operation) => (method === 'DELETE' ? 1 : 0);
    for (const operation of owned.toSorted((a, b) => isLast(a) - isLast(b))) {
      const own = await send(operation, ids, keys[rowOf(operation).scope ?? ''] ?? '');
      expect([operation.operationId, own.status]).not.toEqual([operation.operationId, 404]);
    }
  });

  it('shows each team its own instances alone', async () => {
    const listed = async (team: string) => {
      const { body } = await world.service.get<{ instances: { id: string }[] }>(
        '/api/instances?includeDeleted=true',
        bearer(keys[`instances:read${team}`] ?? ''),
      );
      return body.instances.map(({ id }) => id);
    };

    const [own, foreign] = [await listed(''), await listed(' of another team')];

    expect(own).toContain(ids.instanceId);
    expect(foreign).not.toEqual([]);
    expect(foreign.filter((id) => own.includes(id))).toEqual([]);
  });

  function rowOf({ operationId }: Operation): Row {
    const row = ROWS[operationId];
    if (row === undefined) throw new Error(`${operationId} has no row in the matrix`);
    return row;
  }

  async function send(operation: Operation, targets: Ids, key: string | null) {
    const at = (name: string) => {
      if (!(name in targets)) throw new Error(`There is no ${name} to try ${operation.path} with`);
      return targets[name as keyof Ids];
    };
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => at(name)) + (rowOf(operation).query ?? '');
    const headers = key === null ? {} : bearer(key);
    return world.service.send<ErrorAnswer>(operation.method, path, rowOf(operation).body?.(), headers);
  }

  async function readOperations(): Promise<Operation[]> {
    const { body } = await world.service.get<{ paths: Record<string, Record<string, Record<string, string>>> }>(
      '/docs/openapi.json',
    );
    return Object.entries(body.paths).flatMap(([path, item]) =>
      METHODS.flatMap((method) => {
        const operation = item[method];
        if (operation === undefined) return [];
        const { operationId = '', 'x-required-scope': documentedScope } = operation;
        return [{ operationId, method: method.toUpperCase(), path, documentedScope }];
      }),
    );
  }

  /** An instance that runs, its receiver and what that was sent, a key that nobody needs, and a look for lost machines. */
  async function oneOfEachKind(): Promise<Ids> {
    const { service } = world;
    const as = (scope: string) => bearer(keys[scope] ?? '');
    const webhook = await service.post<{ id: string }>('/api/webhooks', { url: receiver.url }, as('webhooks:write'));
    const ordered = await service.post<{ instanceId: string }>('/api/instances', anOrder(), as('instances:write'));
    const { instanceId } = ordered.body;
    const deliveryId = await eventually(async () => {
      const list = `/api/webhooks/deliveries?instanceId=${instanceId}&status=delivered`;
      const { body } = await service.get<{ deliveries: { id: string }[] }>(list, as('webhooks:write'));
      return body.deliveries[0]?.id;
    }, 60_000);
    const migration = await service.post<{ jobId: string }>(
      '/api/migration/trigger',
      { dryRun: true },
      as('migration:write'),
    );
    const { jobId } = migration.body;
    await rowsOf(world.database, anAttempt(jobId, instanceId));
    const unused = await makeKey(service, adminKey, { teamId: 'own', scopes: ['metrics:read'] });
    return { instanceId, webhookId: webhook.body.id, deliveryId, keyId: unused.id, jobId };
  }

  async function revokedKey(): Promise<string> {
    const { id, key } = await makeKey(world.service, adminKey, { teamId: 'own', scopes: ['admin'] });
    await world.service.send('DELETE', `/api/keys/${id}`, undefined, bearer(adminKey));
    return key;
  }

  async function expiredKey(): Promise<string> {
    const expiresAt = new Date(Date.now() + 300).toISOString();
    const { key } = await makeKey(world.service, adminKey, { teamId: 'own', scopes: ['admin'], expiresAt });
    while (Date.now() <= new Date(expiresAt).getTime()) await new Promise((resolve) => setTimeout(resolve, 20));
    return key;
  }
});
