import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Json } from './sandbox-process.js';
import { SandboxProcess } from './sandbox-process.js';

describe('lists of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(() => sandbox.control('/reset', {}));

  it('shows every machine exactly once over all pages', async () => {
    await sandbox.control('/machines', { count: 250, namePrefix: 'bulk-' });

    const pages = await Promise.all([1, 2, 3, 4].map((page) => sandbox.list(`?pageSize=100&pageNum=${page}`)));

    expect(pages.map(({ instances }) => instances.length)).toEqual([100, 100, 50, 0]);
    expect(new Set(pages.flatMap(({ instances }) => instances.map(({ id }) => id))).size).toBe(250);
    expect(pages[0]?.total).toBe('250');
  });

  it('ignores wrong paging names, gives ten then, and takes page 0 for page 1', async () => {
    await sandbox.control('/machines', { count: 30 });

    const wrong = await sandbox.list('?page=2&page_size=100&pageNumber=3');
    const zero = await sandbox.list('?pageSize=5&pageNum=0');
    const one = await sandbox.list('?pageSize=5&pageNum=1');

    expect(wrong.instances).toHaveLength(10);
    expect(zero.instances).toEqual(one.instances);
  });

  it('filters by any part of the name, and keeps the filter true while machines come and go', async () => {
    await sandbox.control('/machines', { count: 20, namePrefix: 'alpha-' });
    await sandbox.control('/machines', { count: 5, namePrefix: 'beta-' });
    const before = (await sandbox.list('?name=ALPHA&pageSize=100&pageNum=1')).total;

    const id = await sandbox.createRunning({ name: 'new-alpha' });
    const grown = (await sandbox.list('?name=ALPHA&pageSize=100&pageNum=1')).total;
    await sandbox.control(`/machines/${id}/vanish`, {});
    const shrunk = (await sandbox.list('?name=ALPHA&pageSize=100&pageNum=1')).total;

    expect([before, grown, shrunk]).toEqual(['20', '21', '20']);
  });

  it('lets a created machine wait for the list lag while get knows it at once', async () => {
    await sandbox.control('/config', { listLagSeconds: 30 });
    const id = await sandbox.create();

    const early = await sandbox.list();
    await sandbox.advance(31);
    const late = await sandbox.list();

    expect(early).toMatchObject({ instances: [], total: '0' });
    expect((await sandbox.machine(id)).id).toBe(id);
    expect(late.instances.map((machine) => machine.id)).toEqual([id]);
  });

  it('finds a look-alike by a fuzzy product name, and hides products without spot from spot buyers', async () => {
    const fuzzy = await sandbox.get<{ data: Json[] }>('/products?productName=4090&clusterId=cn-hongkong-1');
    const spot = await sandbox.get<{ data: Json[] }>('/products?productName=3090&billingMethod=spot');

    expect(fuzzy.body.data.map(({ name }) => name)).toContain('RTX 4090D 24GB');
    expect(fuzzy.body.data[1]).toMatchObject({
      price: '35000',
      spotPrice: '17500',
      regions: expect.arrayContaining(['CN-HK-01 (Hong Kong)']),
    });
    expect(spot.body.data).toEqual([]);
  });

  it('orders SKUs of one name differently by spot and by on-demand price', async () => {
    const { body } = await sandbox.get<{ data: { id: string; name: string; price: string; spotPrice: string }[] }>(
      '/products?clusterId=us-ca-6',
    );
    const h100 = body.data.filter(({ name }) => name === 'H100 SXM 80GB');

    const cheapest = h100.toSorted((a, b) => Number(a.price) - Number(b.price))[0]?.id;
    const cheapestSpot = h100.toSorted((a, b) => Number(a.spotPrice) - Number(b.spotPrice))[0]?.id;

    expect(h100).toHaveLength(2);
    expect(cheapest).not.toBe(cheapestSpot);
  });

  it('shows stock that was taken away, and refuses to create there', async () => {
    await sandbox.control('/stock', { cluster: 'CN-HK-01', billingMode: 'spot', count: 0 });

    const offers = await sandbox.get<{ data: Json[] }>(
      '/products?clusterId=cn-hongkong-1&billingMethod=spot&productName=4090D',
    );
    const refused = await sandbox.post('/gpu/instance/create', {
      name: 'a',
      productId: '4090.16c62g',
      gpuNum: 1,
      rootfsSize: 60,
      imageUrl: 'x',
      kind: 'gpu',
      clusterId: 'cn-hongkong-1',
      billingMode: 'spot',
    });
    const elsewhere = await sandbox.create({ clusterId: 'as-sgp-2' });

    expect(offers.body.data[0]).toMatchObject({ availableDeploy: false, inventoryState: 'none' });
    expect(refused).toMatchObject({ status: 400, body: { reason: 'INSUFFICIENT_RESOURCE' } });
    expect(elsewhere).toMatch(/^[0-9a-f]{16}$/);
  });

  it('keeps templates under the singular key, and tells unknown from private ones', async () => {
    const list = await sandbox.get<{ template: Json[] }>('/templates?channel=official&isMyCommunity=false');
    const known = await sandbox.get<{ template: Json }>('/template?templateId=template-123');
    const unknown = await sandbox.get('/template?templateId=1');
    const foreign = await sandbox.get('/template?templateId=990001');
    const unasked = await sandbox.get('/templates');

    expect(list.body.template.map(({ Id }) => Id)).toEqual(['template-123', '107672']);
    expect(known.body.template).toMatchObject({
      Id: 'template-123',
      ports: [
        { type: 'http', ports: [8888] },
        { type: 'tcp', ports: [22] },
      ],
    });
    expect(unknown).toMatchObject({ status: 400, body: { reason: 'TEMPLATE_NOT_FOUND' } });
    expect(foreign).toMatchObject({ status: 400, body: { reason: 'TEMPLATE_IS_PRIVATE' } });
    expect(unasked).toMatchObject({ status: 400, body: { reason: 'VALIDATOR_PARAM' } });
  });
});
