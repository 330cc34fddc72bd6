import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

interface Details {
  id: string;
  status: string;
  phase: string;
  nextCheckAt?: string;
  readyAt?: string;
  statusReason?: { code: string; message: string };
  machine?: { novitaId: string; region: string };
  connectionDetails: { ssh?: string; sshPassword?: string };
}

interface ErrorBody {
  error: { code: string; details: Record<string, unknown> };
}

describe('the whole life of an instance', () => {
  let world: World;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    world = await World.start({
      env: { WEBHOOK_ALLOWED_HOSTS: receiver.host, FALLBACK_REGIONS: 'AS-SGP-02,US-CA-06' },
    });
  });

  afterEach(async () => {
    await world.sandbox.control('/faults/clear', {});
    await world.sandbox.control('/start-behaviour', {});
    await world.sandbox.control('/migrate-behaviour', {});
    await world.sandbox.control('/stock', []);
  });

  afterAll(async () => {
    await world.stop();
    await receiver.stop();
  });

  const order = async (overrides: Record<string, unknown> = {}) => {
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
    return body.instanceId;
  };
  const get = async (id: string) => (await world.service.get<Details>(`/api/instances/${id}`)).body;
  const act = async (id: string, action: string) =>
    world.service.post<Details & ErrorBody>(`/api/instances/${id}/${action}`);
  const until = async (id: string, status: string) =>
    eventually(async () => {
      const details = await get(id);
      return details.status === status && details;
    }, 25_000);
  const running = async (overrides: Record<string, unknown> = {}) => until(await order(overrides), 'running');
  const billing = async (novitaId: string) => (await world.sandbox.ledger()).billing.some(({ id }) => id === novitaId);

  describe('readiness', () => {
    it('waits for the application while it boots, though the container runs already', async () => {
      await world.sandbox.control('/config', { durations: { app: 40 } });

      const id = await order({ readiness: { port: 8888, path: '/health', timeoutSeconds: 60 } });
      const probed = await eventually(async () => {
        const details = await get(id);
        return details.phase === 'probing' && details;
      });

      expect(probed.status).toBe('starting');
      expect(probed).not.toHaveProperty('readyAt');
      await until(id, 'running');
      await world.sandbox.control('/config', { durations: { app: 1 } });
    });

    it('fails an application that never answers, says what was last seen, and removes the machine', async () => {
      await world.sandbox.control('/config', { durations: { app: 100_000 } });

      const id = await order({ readiness: { port: 8888, path: '/', timeoutSeconds: 1 } });

      const failed = await until(id, 'failed');
      await world.sandbox.control('/config', { durations: { app: 1 } });
      expect(failed.statusReason?.code).toBe('READINESS_TIMEOUT');
      expect(failed.statusReason?.message).toMatch(/last seen: HTTP 502/);
      await eventually(async () => !(await billing(failed.machine?.novitaId ?? '')));
    });

    it('takes a TCP connection for ready where no path is given', async () => {
      const details = await running({ readiness: { port: 22 } });

      expect(details.readyAt).toBeDefined();
    });
  });

  describe('stop, start and restart', () => {
    it('answers a wish that is fulfilled already as fulfilled', async () => {
      const { id } = await running();
      await act(id, 'stop');
      await until(id, 'stopped');

      const again = await act(id, 'stop');

      expect(again.status).toBe(202);
      expect(again.body).toMatchObject({ instanceId: id, status: 'stopped', phase: 'stopped' });
    });

    it('refuses what the table of moves does not allow, naming where the instance is', async () => {
      const id = await order({ templateId: 'no-such-template' });
      await until(id, 'failed');

      const answer = await act(id, 'restart');

      expect(answer.status).toBe(409);
      expect(answer.body.error).toMatchObject({
        code: 'ILLEGAL_TRANSITION',
        details: { action: 'restart', status: 'failed' },
      });
    });

    it('stops billing on stop and reads the new password after a start', async () => {
      const before = await running();
      const machine = before.machine?.novitaId ?? '';

      await act(before.id, 'stop');
      await until(before.id, 'stopped');
      expect(await billing(machine)).toBe(false);
      await act(before.id, 'start');
      const after = await until(before.id, 'running');

      expect(after.machine?.novitaId).toBe(machine);
      expect(after.connectionDetails.sshPassword).not.toBe(before.connectionDetails.sshPassword);
      expect(after.readyAt).toBe(before.readyAt);
    });

    it('restarts on the same machine', async () => {
      const before = await running();

      const answer = await act(before.id, 'restart');

      expect(answer.body.phase).toBe('restarting');
      const after = await until(before.id, 'running');
      expect(after.machine?.novitaId).toBe(before.machine?.novitaId);
      expect(after.connectionDetails.sshPassword).not.toBe(before.connectionDetails.sshPassword);
    });

    it('restarts once more when the first try had no effect', async () => {
      const before = await running();
      await world.sandbox.control('/calls/reset', {});
      await world.sandbox.control('/faults', { faults: [{ endpoint: 'restart', kind: '500-before', count: 1 }] });

      await act(before.id, 'restart');

      const after = await until(before.id, 'running');
      expect(after.connectionDetails.sshPassword).not.toBe(before.connectionDetails.sshPassword);
      const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
      expect(counts['restart']).toBe(2);
    });

    it('waits for a restart that the provider shows late', async () => {
      const before = await running();
      await world.sandbox.control('/config', { durations: { actionLag: 20 } });

      await act(before.id, 'restart');

      const meanwhile = await get(before.id);
      const after = await until(before.id, 'running');
      await world.sandbox.control('/config', { durations: { actionLag: 0 } });
      expect(meanwhile.connectionDetails).toEqual({});
      expect(after.statusReason).toBeUndefined();
      expect(after.connectionDetails.sshPassword).not.toBe(before.connectionDetails.sshPassword);
    });

    it('says of a restart that was refused that the machine runs on', async () => {
      const before = await running({ webhookUrl: receiver.url });
      await world.sandbox.control('/faults', {
        faults: [{ endpoint: 'restart', kind: 'refuse', count: 1, status: 400, reason: 'MOON_PHASE' }],
      });

      await act(before.id, 'restart');

      const after = await until(before.id, 'running');
      expect(after.statusReason?.code).toBe('NOVITA_API_ERROR');
      expect(after.connectionDetails).toEqual(before.connectionDetails);
      const isTold = receiver.events('instance.started').some(({ body }) => body['instanceId'] === before.id);
      expect(isTold).toBe(false);
    });

    it('reads the new password after somebody restarted the machine behind its back', async () => {
      const before = await running();
      await world.sandbox.control('/config', { durations: { restarting: 20 } });

      await world.sandbox.post('/gpu/instance/restart', { instanceId: before.machine?.novitaId });

      const after = await eventually(async () => {
        const details = await get(before.id);
        const { sshPassword = before.connectionDetails.sshPassword } = details.connectionDetails;
        return sshPassword !== before.connectionDetails.sshPassword && details;
      });
      await world.sandbox.control('/config', { durations: { restarting: 1 } });
      expect((await until(before.id, 'running')).machine).toEqual(after.machine);
    });

    it('has a machine whose node is full moved by the provider', async () => {
      const before = await running();
      await act(before.id, 'stop');
      await until(before.id, 'stopped');
      await world.sandbox.control('/start-behaviour', { refuseProbability: 1 });

      await act(before.id, 'start');

      const after = await until(before.id, 'running');
      expect(after.machine?.novitaId).toBe(before.machine?.novitaId);
      const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
      expect(counts['migrate']).toBeGreaterThanOrEqual(1);
    });

    it('buys another machine when the provider cannot move it either, and removes the old one', async () => {
      const before = await running();
      await act(before.id, 'stop');
      await until(before.id, 'stopped');
      await world.sandbox.control('/start-behaviour', { refuseProbability: 1 });
      await world.sandbox.control('/migrate-behaviour', { refuse: 1 });

      await act(before.id, 'start');

      const after = await until(before.id, 'running');
      expect(after.machine?.novitaId).not.toBe(before.machine?.novitaId);
      await eventually(
        async () => !(await world.sandbox.ledger()).exists.some(({ id }) => id === before.machine?.novitaId),
      );
    });

    it('keeps machine and data when a start is refused for an unpaid bill', async () => {
      const before = await running();
      await act(before.id, 'stop');
      await until(before.id, 'stopped');
      await world.sandbox.control('/faults', {
        faults: [{ endpoint: 'start', kind: 'refuse', count: 1, status: 400, reason: 'BALANCE_NOT_ENOUGH' }],
      });

      await act(before.id, 'start');

      const refused = await eventually(async () => {
        const details = await get(before.id);
        return details.statusReason?.code === 'INSUFFICIENT_BALANCE' && details;
      });
      expect(refused.status).toBe('stopped');
      expect((await world.sandbox.ledger()).exists.some(({ id }) => id === before.machine?.novitaId)).toBe(true);
    });

    it('stops a machine again that somebody else started behind its back', async () => {
      const details = await running();
      const machine = details.machine?.novitaId ?? '';
      await act(details.id, 'stop');
      await until(details.id, 'stopped');

      await world.sandbox.post('/gpu/instance/start', { instanceId: machine });

      await eventually(async () => {
        const { log } = await world.sandbox.control<{ log: { endpoint: string; id: string }[] }>('/calls');
        const stops = log.filter(({ endpoint, id }) => endpoint === 'stop' && id === machine);
        return stops.length === 2 && !(await billing(machine));
      });
      await until(details.id, 'stopped');
    });
  });

  describe('delete', () => {
    it('ends with nothing billed also while the machine is being bought', async () => {
      await world.sandbox.control('/faults', {
        faults: [{ endpoint: 'create', kind: 'delay-after', count: 1, delayMs: 1500 }],
      });
      const id = await order({ name: 'deleted-while-buying' });
      await eventually(async () =>
        (await world.sandbox.ledger()).exists.some(({ name }) => name.endsWith('deleted-while-buying')),
      );

      const answer = await world.service.send('DELETE', `/api/instances/${id}`);

      expect(answer.status).toBe(202);
      await eventually(async () => (await world.service.get(`/api/instances/${id}`)).status === 404, 25_000);
      expect((await world.sandbox.ledger()).exists.filter(({ name }) => name.endsWith('deleted-while-buying'))).toEqual(
        [],
      );
    });

    it('goes on until a provider that says yes and does nothing gives in', async () => {
      const details = await running();
      await world.sandbox.control('/faults', { faults: [{ endpoint: 'delete', kind: 'delete-lies', count: 2 }] });

      await world.service.send('DELETE', `/api/instances/${details.id}`);

      await eventually(async () => (await world.service.get(`/api/instances/${details.id}`)).status === 404, 25_000);
      expect((await world.sandbox.ledger()).exists.some(({ id }) => id === details.machine?.novitaId)).toBe(false);
    });

    it('leaves the list, and is listed when asked for', async () => {
      const id = await order({ templateId: 'no-such-template' });
      await until(id, 'failed');
      await world.service.send('DELETE', `/api/instances/${id}`);
      await eventually(async () => (await world.service.get(`/api/instances/${id}`)).status === 404);

      const listed = async (query: string) => {
        const { body } = await world.service.get<{ instances: Details[] }>(`/api/instances?limit=100${query}`);
        return body.instances.some((instance) => instance.id === id);
      };

      expect(await listed('')).toBe(false);
      expect(await listed('&includeDeleted=true')).toBe(true);
    });
  });

  describe('what upstream does', () => {
    it('finds an instance by the id of its machine too', async () => {
      const details = await running();

      const found = await get(details.machine?.novitaId ?? '');

      expect(found.id).toBe(details.id);
    });

    it('tells of a machine that stopped without our doing', async () => {
      const details = await running({ webhookUrl: receiver.url, spotPolicy: 'none' });

      await world.sandbox.control(`/machines/${details.machine?.novitaId}/reclaim`, {});

      const exited = await until(details.id, 'exited');
      expect(exited.statusReason?.code).toBe('SPOT_RECLAIMED');
      await eventually(async () =>
        receiver.events('instance.exited').some(({ body }) => body['instanceId'] === details.id),
      );
    });

    it('keeps an instance whose machine has a status that nobody has heard of', async () => {
      const details = await running();

      await world.sandbox.control(`/machines/${details.machine?.novitaId}/status`, { status: 'hibernating' });
      await world.sandbox.advance(60);
      await eventually(async () =>
        (await world.sandbox.ledger()).machines.some(({ status }) => status === 'hibernating'),
      );

      expect((await get(details.id)).status).toBe('running');
    });

    it('moves an order on when the wished region has no stock, and does not try it first next time', async () => {
      await world.sandbox.control('/stock', { cluster: 'CN-HK-01', count: 0 });

      const first = await running();
      await world.sandbox.control('/calls/reset', {});
      const second = await running();

      expect(first.machine?.region).toBe('AS-SGP-02');
      expect(second.machine?.region).toBe('AS-SGP-02');
      const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
      expect(counts['create']).toBe(1);
    });

    it("never touches another service's machines in the same account", async () => {
      const { ids } = await world.sandbox.control<{ ids: string[] }>('/machines', {
        count: 20,
        namePrefix: 'gpusvc-other-',
        status: 'running',
      });

      await running();
      await world.sandbox.advance(600);
      await running();

      const { exists } = await world.sandbox.ledger();
      expect(exists.filter(({ id, status }) => ids.includes(id) && status === 'running')).toHaveLength(20);
    });

    it('removes a machine under its own name that no row claims', async () => {
      const details = await running();
      const ledger = await world.sandbox.ledger();
      const ownName = ledger.machines.find(({ id }) => id === details.machine?.novitaId)?.name ?? '';
      const prefix = ownName.split('-').slice(0, 2).join('-');

      const { ids } = await world.sandbox.control<{ ids: string[] }>('/machines', {
        name: `${prefix}-0000000000-lost`,
        status: 'running',
      });

      await eventually(async () => !(await world.sandbox.ledger()).exists.some(({ id }) => id === ids[0]), 25_000);
    });
  });
});
