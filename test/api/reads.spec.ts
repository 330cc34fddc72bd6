import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';

jest.setTimeout(240_000);

interface Listed {
  readonly instances: { readonly name: string; readonly labels: Record<string, string>; readonly createdAt: string }[];
  readonly total: number;
}

describe('reads', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start();
  });

  afterAll(() => world.stop());

  const order = (overrides: Record<string, unknown>, headers: Record<string, string> = {}) =>
    world.service.post<{ instanceId: string; status: string; message: string }>(
      '/api/instances',
      anOrder(overrides),
      headers,
    );
  const list = async (query: string) => (await world.service.get<Listed>(`/api/instances?${query}`)).body;
  const names = async (query: string) => (await list(query)).instances.map(({ name }) => name);

  describe('of one instance', () => {
    it('are answered with 304 as long as nothing has changed, and not a moment longer', async () => {
      const { body } = await order({ name: 'tagged' }, { prefer: 'wait=60' });
      const path = `/api/instances/${body.instanceId}`;
      // It is looked at once more after it became ready, which shows in the answer.
      const first = await eventually(async () => {
        const answer = await world.service.get<{ nextCheckAt?: string }>(path);
        return answer.body.nextCheckAt === undefined && answer;
      }, 60_000);
      const tag = first.headers.get('etag') ?? '';

      const same = await world.service.get(path, { 'if-none-match': `"other", ${tag}` });
      await world.service.post(`${path}/stop`);
      const changed = await world.service.get<unknown>(path, { 'if-none-match': tag });

      expect(tag).toMatch(/^"[^"]+"$/);
      expect([same.status, same.body, same.headers.get('etag')]).toEqual([304, null, tag]);
      expect(changed.status).toBe(200);
      expect(changed.headers.get('etag')).not.toBe(tag);
    });

    it('never carry the same tag for two different answers', async () => {
      const { body } = await order({ name: 'watched' });
      const seen = new Map<string, string>();

      await eventually(async () => {
        const answer = await world.service.get<{ status: string }>(`/api/instances/${body.instanceId}`);
        const tag = answer.headers.get('etag') ?? '';
        const text = JSON.stringify(answer.body);
        if (seen.has(tag)) expect(text).toBe(seen.get(tag));
        seen.set(tag, text);
        return answer.body.status === 'running';
      }, 60_000);

      expect(seen.size).toBeGreaterThan(1);
    });

    it('refuse a query that they do not know', async () => {
      expect((await world.service.get('/api/instances/inst-none?verbose=true')).status).toBe(400);
    });
  });

  describe('that wait', () => {
    it('are answered when the outcome is known', async () => {
      const created = await order({ name: 'waited' }, { prefer: 'respond-async, wait=60' });
      const path = `/api/instances/${created.body.instanceId}`;
      const stopped = await world.service.post(`${path}/stop`, undefined, { prefer: 'wait=60' });
      const started = await world.service.post(`${path}/start`, undefined, { prefer: 'wait=60' });
      const failed = await order({ templateId: 'no-such-template' }, { prefer: 'wait=60' });

      expect(created.headers.get('preference-applied')).toBe('wait=60');
      expect([created.status, created.body.status, created.body.message]).toEqual([
        201,
        'running',
        'Instance is running',
      ]);
      expect([stopped.status, stopped.body]).toMatchObject([202, { status: 'stopped' }]);
      expect([started.status, started.body]).toMatchObject([202, { status: 'running' }]);
      expect([failed.status, failed.body.status]).toEqual([201, 'failed']);
    });

    it('are answered when their time is over', async () => {
      const startedAt = Date.now();
      const { status, body, headers } = await order({ name: 'short', region: 'EU-FAR-99' }, { prefer: 'wait=1' });

      expect(status).toBe(201);
      expect(headers.get('preference-applied')).toBe('wait=1');
      expect(['creating', 'failed', 'starting', 'running']).toContain(body.status);
      expect(Date.now() - startedAt).toBeLessThan(30_000);
    });

    it.each(['wait=', 'wait=-1', 'wait=x', 'wait=0', 'nonsense', 'wait=99999999999'])(
      'do not wait for what is not understood: %s',
      async (prefer) => {
        const { status, headers } = await order({ name: 'hasty' }, { prefer });

        expect([status, headers.get('preference-applied')]).toEqual([201, null]);
      },
    );
  });

  describe('of many', () => {
    beforeAll(async () => {
      await order({ name: 'alpha', labels: { env: 'prod', tier: 'gold' } });
      await order({ name: 'beta', labels: { env: 'prod' } });
      await order({ name: 'gamma', labels: { env: 'test', tier: '' }, region: 'US-CA-06' });
      await order({ name: 'delta', productName: 'RTX 3090 24GB' });
    });

    it.each([
      ['label=env=prod', ['beta', 'alpha']],
      ['label=env%3Dprod,tier', ['alpha']],
      ['label=tier', ['gamma', 'alpha']],
      ['label=tier=', ['gamma']],
      ['label=env=prod&name=beta', ['beta']],
      ['label=nothing', []],
      ['name=alpha', ['alpha']],
      ['name=alph', []],
      ['region=US-CA-06', ['gamma']],
      ['product=RTX+3090+24GB', ['delta']],
      ['createdAfter=2100-01-01T00:00:00Z', []],
      ['createdBefore=2001-01-01T00:00:00%2B02:00', []],
    ])('are narrowed by %s', async (query, expected) => {
      expect(await names(query)).toEqual(expected);
    });

    it('are narrowed by the time of creation, without its ends', async () => {
      const all = (await list('limit=100')).instances;
      const beta = all.find(({ name }) => name === 'beta')?.createdAt ?? '';
      const delta = all.find(({ name }) => name === 'delta')?.createdAt ?? '';

      expect(await names(`createdAfter=${beta}&createdBefore=${delta}`)).toEqual(['gamma']);
    });

    it.each([
      'label=',
      'label==x',
      'label=a%20b',
      'label=__proto__',
      'createdAfter=yesterday',
      'createdAfter=2024-01-01',
      'createdAfter=2024-13-01T00:00:00Z',
      'status=gone',
      'colour=red',
      'name=',
    ])('refuse %s', async (query) => {
      expect([query, (await world.service.get(`/api/instances?${query}`)).status]).toEqual([query, 400]);
    });

    it('show labels as they were given', async () => {
      const [alpha] = (await list('name=alpha')).instances;

      expect(alpha?.labels).toEqual({ env: 'prod', tier: 'gold' });
    });

    it.each([
      ['too many', Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`key-${index}`, 'x']))],
      ['a number', { env: 1 }],
      ['a list', ['env']],
      ['a space', { 'a b': 'x' }],
      ['a name of nothing', { '': 'x' }],
      ['a line break', { env: 'a\nb' }],
      ['a long value', { env: 'x'.repeat(129) }],
      ['an inherited name', JSON.parse('{"__proto__":"x"}') as unknown],
    ])('refuse labels with %s', async (_, labels) => {
      const answer = await world.service.post('/api/instances', anOrder({ labels }));

      expect(answer.status).toBe(400);
    });

    it('take twenty labels', async () => {
      const labels = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`key-${index}`, `value/${index}`]));

      expect((await order({ name: 'labelled', labels })).status).toBe(201);
      expect((await list('name=labelled')).instances[0]?.labels).toEqual(labels);
    });

    it('come in the same order page by page', async () => {
      const all = await names('limit=100');
      const pages = await Promise.all(
        Array.from({ length: Math.ceil(all.length / 3) }, (_, page) => names(`limit=3&offset=${page * 3}`)),
      );

      expect(pages.flat()).toEqual(all);
    });
  });
});
