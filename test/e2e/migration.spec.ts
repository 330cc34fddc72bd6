import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

interface Details {
  status: string;
  phase: string;
  machine: { novitaId: string };
  connectionDetails: { ssh?: string; sshPassword?: string };
}

interface ExecutionBody {
  jobId: string;
  status: string;
  trigger: string;
  dryRun: boolean;
  duration: number | null;
  summary: Record<string, number>;
  errors: unknown[];
  instances: { instanceId: string; outcome: string; because: string; steps: { decision: string; because: string }[] }[];
}

describe('migration', () => {
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

  const details = async (id: string) => (await world.service.get<Details>(`/api/instances/${id}`)).body;
  const until = (id: string, status: string) =>
    eventually(async () => {
      const body = await details(id);
      return body.status === status && body;
    }, 30_000);
  const running = async (overrides: Record<string, unknown> = {}) => {
    const { body } = await world.service.post<{ instanceId: string }>(
      '/api/instances',
      anOrder({ webhookUrl: receiver.url, ...overrides }),
    );
    return { id: body.instanceId, ...(await until(body.instanceId, 'running')) };
  };
  const told = (id: string, type: string) =>
    eventually(async () => receiver.events(type).find(({ body }) => body['instanceId'] === id), 30_000);
  const billing = async () => (await world.sandbox.ledger()).billing;
  const latestWith = (id: string) =>
    eventually(async () => {
      const { body } = await world.service.get<{ executions: ExecutionBody[] }>('/api/migration/history');
      for (const { jobId } of body.executions) {
        const execution = (await world.service.get<ExecutionBody>(`/api/migration/history/${jobId}`)).body;
        if (execution.status === 'completed' && execution.instances.some((one) => one.instanceId === id))
          return execution;
      }
      return null;
    }, 30_000);

  it('brings a reclaimed instance back under its id with fresh ways in, and tells the receiver', async () => {
    const before = await running();

    await world.sandbox.control(`/machines/${before.machine.novitaId}/reclaim`, {});

    const webhook = await told(before.id, 'instance.migrated');
    expect(webhook.body).toMatchObject({
      event: 'instance.migrated',
      instanceId: before.id,
      originalInstanceId: before.id,
      status: 'running',
      migration: { reason: 'spot_reclaim', triggeredBy: 'automatic_migration', migrationTime: expect.any(Number) },
      instance: { id: before.id, name: 'my-gpu-instance', connectionDetails: { ssh: expect.stringMatching(/^ssh /) } },
    });
    const after = await until(before.id, 'running');
    expect(after.connectionDetails.ssh).not.toBe(before.connectionDetails.ssh);
    expect(after.connectionDetails.sshPassword).not.toBe(before.connectionDetails.sshPassword);
    const execution = await latestWith(before.id);
    expect(execution).toMatchObject({ trigger: 'loss', summary: { migratedInstances: 1, errorCount: 0 }, errors: [] });
    expect(decisionsOf(execution)).toEqual(['start', 'taken', 'come-up', 'migrated']);
  });

  it("takes the provider's migrate when the node has no room", async () => {
    const before = await running();
    await world.sandbox.control('/faults', {
      faults: [{ endpoint: 'start', kind: 'refuse', status: 400, reason: 'INSUFFICIENT_RESOURCE', count: 1 }],
    });

    await world.sandbox.control(`/machines/${before.machine.novitaId}/reclaim`, {});

    await told(before.id, 'instance.migrated');
    const after = await until(before.id, 'running');
    expect(after.machine.novitaId).toBe(before.machine.novitaId);
    const execution = await latestWith(before.id);
    expect(decisionsOf(execution)).toEqual(['start', 'refused', 'migrate', 'taken', 'come-up', 'migrated']);
  });

  it('buys elsewhere when start and migrate are refused, and leaves nothing behind', async () => {
    const before = await running();
    await world.sandbox.control('/faults', {
      faults: [
        { endpoint: 'start', kind: 'refuse', status: 400, reason: 'INSUFFICIENT_RESOURCE', count: 1 },
        { endpoint: 'migrate', kind: 'refuse', status: 400, reason: 'MIGRATE_INSUFFICIENT_RESOURCE', count: 1 },
      ],
    });

    await world.sandbox.control(`/machines/${before.machine.novitaId}/reclaim`, {});

    await told(before.id, 'instance.migrated');
    const after = await until(before.id, 'running');
    expect(after.machine.novitaId).not.toBe(before.machine.novitaId);
    expect(decisionsOf(await latestWith(before.id))).toEqual([
      'start',
      'refused',
      'migrate',
      'refused',
      'elsewhere',
      'migrated',
    ]);
    await eventually(async () => {
      const { exists } = await world.sandbox.ledger();
      return exists.every(({ id }) => id !== before.machine.novitaId);
    });
  });

  it('leaves a migration whose job failed for another machine', async () => {
    const before = await running();
    await world.sandbox.control('/faults', {
      faults: [{ endpoint: 'start', kind: 'refuse', status: 400, reason: 'INSUFFICIENT_RESOURCE', count: 1 }],
    });
    await world.sandbox.control('/migrate-behaviour', { fail: 1 });

    await world.sandbox.control(`/machines/${before.machine.novitaId}/reclaim`, {});

    await told(before.id, 'instance.migrated');
    await world.sandbox.control('/migrate-behaviour', { fail: 0 });
    const after = await until(before.id, 'running');
    expect(after.machine.novitaId).not.toBe(before.machine.novitaId);
    const execution = await latestWith(before.id);
    expect(execution.instances[0]?.steps).toContainEqual(
      expect.objectContaining({ decision: 'elsewhere', because: 'migration-job-failed' }),
    );
  });

  it('never restarts a machine whose user stopped it in the second of the reclaim', async () => {
    const before = await running();
    await world.sandbox.control('/calls/reset', {});

    await Promise.all([
      world.service.post(`/api/instances/${before.id}/stop`),
      world.sandbox.control(`/machines/${before.machine.novitaId}/reclaim`, {}),
    ]);

    await until(before.id, 'stopped');
    await world.service.post('/api/migration/trigger', {});
    await latestExecution(world, 'manual');
    expect((await details(before.id)).status).toBe('stopped');
    expect((await billing()).map(({ id }) => id)).not.toContain(before.machine.novitaId);
    const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
    expect(counts['migrate'] ?? 0).toBe(0);
    expect(counts['start'] ?? 0).toBe(0);
  });

  it('rests at the brake after repeated loss without an execution under way, until it is asked for by hand', async () => {
    const { id, machine } = await running();
    const lose = () => world.sandbox.control(`/machines/${machine.novitaId}/reclaim`, {});
    const migrated = () => receiver.events('instance.migrated').filter(({ body }) => body['instanceId'] === id).length;
    for (const times of [1, 2]) {
      await lose();
      await eventually(async () => migrated() === times, 30_000);
    }

    await lose();

    const braked = await eventually(async () => {
      const execution = await latestWith(id);
      return execution?.instances.find((one) => one.instanceId === id && one.outcome === 'skipped');
    }, 15_000);
    expect(braked.because).toBe('brake-after-repeated-loss');
    expect((await details(id)).status).toBe('exited');
    const trigger = await world.service.post<{ jobId: string }>('/api/migration/trigger', {});
    expect(trigger.status).toBe(202);
    await until(id, 'running');
    const execution = await eventually(async () => {
      const { body } = await world.service.get<ExecutionBody>(`/api/migration/history/${trigger.body.jobId}`);
      return body.status === 'completed' && body;
    });
    expect(execution.summary).toMatchObject({ migratedInstances: 1, skippedInstances: 0 });
  }, 90_000);

  it('tells of a notice once, with its deadline', async () => {
    const before = await running({ spotPolicy: 'none' });

    await world.sandbox.control(`/machines/${before.machine.novitaId}/notice`, { inSeconds: 120 });

    const notice = await told(before.id, 'instance.reclaim_notice');
    expect(notice.body).toMatchObject({ status: 'running', reclaim: { deadlineIsAssumed: false, spotPolicy: 'none' } });
    expect(Date.parse((notice.body['reclaim'] as { deadline: string }).deadline)).toBeGreaterThan(Date.now());
    await told(before.id, 'instance.exited');
    expect(
      receiver.events('instance.reclaim_notice').filter(({ body }) => body['instanceId'] === before.id),
    ).toHaveLength(1);
    expect((await details(before.id)).status).toBe('exited');
  }, 60_000);

  it('replaces a machine on notice before it is taken, without a gap', async () => {
    const before = await running({ spotPolicy: 'replace' });

    await world.sandbox.control(`/machines/${before.machine.novitaId}/notice`, { inSeconds: 1200 });

    await told(before.id, 'instance.reclaim_notice');
    const webhook = await told(before.id, 'instance.migrated');
    expect(webhook.body).toMatchObject({ status: 'running', migration: { reason: 'spot_reclaim' } });
    const after = await details(before.id);
    expect(after.status).toBe('running');
    expect(after.machine.novitaId).not.toBe(before.machine.novitaId);
    expect(receiver.events('instance.exited').filter(({ body }) => body['instanceId'] === before.id)).toEqual([]);
  }, 60_000);
});

async function latestExecution(world: World, trigger: string): Promise<ExecutionBody> {
  return eventually(async () => {
    const { body } = await world.service.get<{ executions: ExecutionBody[] }>(
      '/api/migration/history?status=completed',
    );
    return body.executions.find((one) => one.trigger === trigger);
  });
}

function decisionsOf({ instances }: ExecutionBody): string[] {
  return (instances[0]?.steps ?? []).map(({ decision }) => decision).filter((decision) => decision !== 'wait');
}
