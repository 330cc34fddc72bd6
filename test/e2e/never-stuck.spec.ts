import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { parseScrape } from '../support/prometheus.js';
import { eventually, World } from '../support/world.js';

interface Details {
  status: string;
  phase: string;
  statusReason?: { code: string; message: string };
  machine?: { novitaId: string };
}

/** Past its time every phase ends, or says why it does not, however the provider behaves. */
describe('an instance is never stuck', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({
      env: {
        QUEUE_TIMEOUT_SECONDS: '10',
        STARTUP_TIMEOUT_SECONDS: '6',
        STOP_TIMEOUT_SECONDS: '2',
        NOVITA_CREATE_TIMEOUT_SECONDS: '1',
        VISIBILITY_WINDOW_SECONDS: '1',
        ORPHAN_MAX_PER_SWEEP: '1',
        DEPLOYMENT_ID: 'stuck',
      },
    });
  });

  afterEach(async () => {
    await world.sandbox.control('/faults/clear', {});
    await eventually(async () => (await world.sandbox.ledger()).exists.length === 0, 30_000);
  });

  afterAll(() => world.stop());

  const order = async () => {
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder());
    return body.instanceId;
  };
  const get = async (id: string) => (await world.service.get<Details>(`/api/instances/${id}`)).body;
  const until = (id: string, status: string) =>
    eventually(async () => {
      const details = await get(id);
      return details.status === status && details;
    }, 40_000);
  const fault = (...faults: object[]) => world.sandbox.control('/faults', { faults });
  const remove = (id: string) => world.service.send('DELETE', `/api/instances/${id}`);
  const figure = async (name: string) => {
    const text = await (await fetch(`${world.service.url}/metrics`)).text();
    return parseScrape(text).find((sample) => sample.name === name)?.value;
  };

  it('fails an order whose create nobody answers for, and removes what came of it', async () => {
    await fault({ endpoint: 'create', kind: 'timeout-after' }, { endpoint: 'list', kind: '500-before' });

    const failed = await until(await order(), 'failed');

    expect(failed.statusReason?.code).toBe('CREATE_UNCONFIRMED');
    expect((await world.sandbox.ledger()).exists).toHaveLength(1);
    await world.sandbox.control('/faults/clear', {});
    await eventually(async () => (await world.sandbox.ledger()).exists.length === 0, 30_000);
  });

  it('fails a start whose machine is listed as running and cannot be read', async () => {
    await fault({ endpoint: 'get', kind: '404' });

    const failed = await until(await order(), 'failed');

    expect(failed.statusReason?.code).toBe('STARTUP_TIMEOUT');
  });

  it('says why a deletion takes long, raises an alarm, and goes on with it', async () => {
    const id = await order();
    await until(id, 'running');
    await fault({ endpoint: 'delete', kind: 'delete-lies' });

    await remove(id);

    const late = await eventually(async () => {
      const details = await get(id);
      return details.statusReason !== undefined && details;
    });
    expect(late).toMatchObject({ phase: 'deleting', statusReason: { code: 'DELETE_UNCONFIRMED' } });
    await eventually(async () => (await figure('gpusvc_retirements_failing')) === 1, 30_000);
    await world.sandbox.control('/faults/clear', {});
    await eventually(async () => (await world.service.get(`/api/instances/${id}`)).status === 404, 40_000);
    await eventually(async () => (await figure('gpusvc_retirements_failing')) === 0);
  });

  it('removes the orphans that can be removed behind one that cannot', async () => {
    const lost = { status: 'running', owner: 'us' };
    const { ids } = await world.sandbox.control<{ ids: string[] }>('/machines', {
      ...lost,
      names: ['gpusvc-stuck-000000000001-a', 'gpusvc-stuck-000000000002-b', 'gpusvc-stuck-000000000003-c'],
    });
    const [first, ...others] = ids;
    await fault({ endpoint: 'delete', kind: 'refuse', status: 400, reason: 'OPERATION_LIMIT', match: first });

    await eventually(async () => {
      const { exists } = await world.sandbox.ledger();
      return !exists.some(({ id }) => others.includes(id));
    });

    expect((await world.sandbox.ledger()).exists.map(({ id }) => id)).toEqual([first]);
    await eventually(async () => (await figure('gpusvc_orphans_known')) === 1);
    // Somebody else removes it: nothing is known as an orphan any more.
    await world.sandbox.control(`/machines/${first}/vanish`, {});
    await eventually(async () => (await figure('gpusvc_orphans_known')) === 0);
  });

  // Last: the provider's answer holds up every call of this world.
  it('fails an order in time whose provider asks for patience for longer', async () => {
    await fault({ endpoint: 'create', kind: '429', retryAfter: 100, count: 1 });

    const failed = await until(await order(), 'failed');

    expect(failed.statusReason?.code).toBe('WAITING_FOR_PROVIDER');
  });
});

/** An on-demand machine that is steady is looked at every three polls. */
describe('a steady machine', () => {
  it('is looked at quickly as soon as its user stops it', async () => {
    const world = await World.start({ env: { LIFECYCLE_POLL_SECONDS: '15' } });
    try {
      const { body } = await world.service.post<{ instanceId: string }>(
        '/api/instances',
        anOrder({ billingMode: 'onDemand' }),
      );
      const path = `/api/instances/${body.instanceId}`;
      const status = (wanted: string) =>
        eventually(async () => (await world.service.get<Details>(path)).body.status === wanted, 25_000);
      await status('running');

      await world.service.post(`${path}/stop`);

      // The next slow look would come after 45 s.
      await status('stopped');
    } finally {
      await world.stop();
    }
  });
});
