import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { World } from '../support/world.js';
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
  readonly owned?: 'instance' | 'webhook';
}

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
  getWebhookDelivery: { scope: 'webhooks:write' },
  redeliverWebhooks: { scope: 'webhooks:write', body: () => ({ instanceId: 'inst-none' }) },
  redeliverWebhook: { scope: 'webhooks:write' },
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
  const keys: Record<string, string> = {};

  beforeAll(async () => {
    world = await World.start({ env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    const { service } = world;
    adminKey = (await makeKey(service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] })).key;
    for (const scope of SCOPES) {
      keys[scope] = (await makeKey(service, adminKey, { teamId: 'own', scopes: [scope] })).key;
      keys[`${scope} of another team`] = (await makeKey(service, adminKey, { teamId: 'other', scopes: [scope] })).key;
    }
    keys['revoked'] = await revokedKey();
    keys['expired'] = await expiredKey();
    operations = await readOperations();
  });

  afterAll(() => world.stop());

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
        const answer = await send(operation, 'inst-none', key ?? null);
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
        const answer = await send(operation, 'inst-none', keys[granted] ?? '');

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

  it('makes another team’s object a 404 that looks like any other, for an administrator too', async () => {
    const { body } = await world.service.post<{ instanceId: string }>(
      '/api/instances',
      anOrder(),
      bearer(keys['instances:write'] ?? ''),
    );
    const webhook = await world.service.post<{ id: string }>(
      '/api/webhooks',
      { url: 'https://1.1.1.1/', enabled: false },
      bearer(keys['webhooks:write'] ?? ''),
    );
    const ids = { instance: body.instanceId, webhook: webhook.body.id };
    const missingIds = { instance: 'inst-0123456789abcdef', webhook: 'whe_01M8AF33WD0JESS75BS196B38P' };
    const owned = operations.filter((operation) => rowOf(operation).owned !== undefined);
    expect(owned.length).toBeGreaterThan(10);

    for (const operation of owned) {
      const { scope, owned: kind = 'instance' } = rowOf(operation);
      for (const stranger of [keys[`${scope} of another team`] ?? '', adminKey]) {
        const foreign = await send(operation, ids[kind], stranger);
        const missing = await send(operation, missingIds[kind], stranger);

        expect([operation.operationId, foreign.status]).toEqual([operation.operationId, 404]);
        expect(appearance(foreign)).toEqual(appearance(missing));
      }
    }
    // Its own team finds it all the same. What ends it comes last, and a test delivery would go out into the world.
    const isLast = ({ method }: Operation) => (method === 'DELETE' ? 1 : 0);
    const tried = owned.filter(({ operationId }) => operationId !== 'testWebhook');
    for (const operation of tried.toSorted((a, b) => isLast(a) - isLast(b))) {
      const { scope, owned: kind = 'instance' } = rowOf(operation);
      const own = await send(operation, ids[kind], keys[scope ?? ''] ?? '');
      expect([operation.operationId, own.status]).not.toEqual([operation.operationId, 404]);
    }
  });

  it('shows each team its own instances alone', async () => {
    const listed = await world.service.get<{ total: number }>('/api/instances', bearer(keys['instances:read'] ?? ''));
    const foreign = await world.service.get<{ instances: unknown[]; total: number }>(
      '/api/instances?includeDeleted=true',
      bearer(keys['instances:read of another team'] ?? ''),
    );

    expect(listed.body.total).toBeGreaterThan(0);
    expect(foreign.body).toMatchObject({ instances: [], total: 0 });
  });

  function rowOf({ operationId }: Operation): Row {
    const row = ROWS[operationId];
    if (row === undefined) throw new Error(`${operationId} has no row in the matrix`);
    return row;
  }

  async function send(operation: Operation, id: string, key: string | null) {
    const path = operation.path.replace(/\{\w+\}/g, id) + (rowOf(operation).query ?? '');
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
