import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { eventually, World } from '../support/world.js';

interface Execution {
  jobId: string;
  startedAt: string | null;
  completedAt: string | null;
  status: string;
  duration: number | null;
  trigger: string;
  dryRun: boolean;
  summary: Record<string, number>;
  errors: unknown[];
}

interface History {
  executions: Execution[];
  total: number;
  limit: number;
  offset: number;
}

/** No losses are answered by themselves here: what these tests see is what was asked for by hand. */
describe('the migration API', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({ replicas: 2, env: { MIGRATION_ENABLED: 'false' } });
  });

  afterAll(() => world.stop());

  const trigger = (body?: unknown, replica = 0) =>
    world.services[replica]!.post<{ jobId: string; status: string; error?: { code: string } }>(
      '/api/migration/trigger',
      body,
    );
  const completed = (jobId: string) =>
    eventually(async () => {
      const { body } = await world.service.get<Execution & { instances: Record<string, unknown>[] }>(
        `/api/migration/history/${jobId}`,
      );
      return body.status === 'completed' && body;
    }, 30_000);
  const idle = () =>
    eventually(async () => {
      const { body } = await world.service.get<History>('/api/migration/history?status=running');
      return body.total === 0;
    }, 30_000);
  const status = async (id: string) =>
    (await world.service.get<{ status: string }>(`/api/instances/${id}`)).body.status;
  const exited = async (overrides: Record<string, unknown> = {}) => {
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
    const machine = await eventually(async () => {
      const answer = await world.service.get<{ status: string; machine: { novitaId: string } }>(
        `/api/instances/${body.instanceId}`,
      );
      return answer.body.status === 'running' && answer.body.machine;
    });
    await world.sandbox.control(`/machines/${machine.novitaId}/reclaim`, {});
    await eventually(async () => (await status(body.instanceId)) === 'exited');
    return body.instanceId;
  };

  it('answers a trigger as the contract shows, and keeps the execution', async () => {
    const answer = await trigger({ dryRun: false, maxMigrations: 10 });

    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      jobId: expect.stringMatching(/^migration-job-[0-9a-z]+$/),
      status: 'queued',
      message: 'Migration job queued for execution',
      estimatedStartTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    const execution = await completed(answer.body.jobId);
    expect(execution).toMatchObject({
      trigger: 'manual',
      summary: { migratedInstances: 0, errorCount: 0 },
      errors: [],
    });
    expect(execution.duration).toBe(Date.parse(execution.completedAt!) - Date.parse(execution.startedAt!));
  });

  it('takes a trigger without a body', async () => {
    await idle();

    const answer = await trigger();

    expect(answer.status).toBe(202);
    await completed(answer.body.jobId);
  });

  it('runs one execution however often a trigger with one Idempotency-Key comes, and answers it the same', async () => {
    await idle();
    const before = (await world.service.get<History>('/api/migration/history')).body.total;
    const send = (replica: number) =>
      world.services[replica]!.post<{ jobId: string }>('/api/migration/trigger', {}, { 'idempotency-key': 'once' });

    const first = await send(0);
    await completed(first.body.jobId);
    const again = await send(1);

    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 202, 'true']);
    expect(again.body).toEqual(first.body);
    expect((await world.service.get<History>('/api/migration/history')).body.total).toBe(before + 1);
    const entries = await rowsOf(
      world.database,
      `SELECT target FROM audit_entries WHERE action = 'triggerMigration' AND outcome = 'accepted' ORDER BY position DESC LIMIT 1`,
    );
    expect(entries).toEqual([{ target: first.body.jobId }]);
  });

  it('runs one execution however many replicas are asked at once', async () => {
    await idle();
    const before = (await world.service.get<History>('/api/migration/history')).body.total;

    const answers = await Promise.all([trigger({}, 0), trigger({}, 1), trigger({}, 0), trigger({}, 1)]);

    expect(answers.map((one) => one.status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409]);
    const refused = answers.find((one) => one.status === 409);
    expect(refused?.body.error).toMatchObject({
      code: 'MIGRATION_JOB_CONFLICT',
      message: 'Migration job already in progress',
    });
    await idle();
    expect((await world.service.get<History>('/api/migration/history')).body.total).toBe(before + 1);
  });

  it.each([
    [{ dryRun: 'yes' }, 'dryRun'],
    [{ maxMigrations: 0 }, 'maxMigrations'],
    [{ maxMigrations: 1.5 }, 'maxMigrations'],
    [{ force: true }, 'force'],
  ])('refuses %j', async (body, field) => {
    const answer = await trigger(body);

    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ error: { code: 'VALIDATION_ERROR', details: { field } } });
  });

  it('says in a dry run what would be done for each instance, and changes nothing', async () => {
    await idle();
    const lost = await exited();
    const left = await exited({ spotPolicy: 'none' });
    await world.sandbox.control('/calls/reset', {});

    const { body } = await trigger({ dryRun: true });
    const execution = await completed(body.jobId);

    expect(execution).toMatchObject({
      dryRun: true,
      summary: { exitedInstances: 2, eligibleInstances: 1, skippedInstances: 1 },
    });
    expect(execution.instances).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ instanceId: lost, outcome: 'planned', because: 'would-start' }),
        expect.objectContaining({ instanceId: left, outcome: 'skipped', because: 'policy-none' }),
      ]),
    );
    expect([await status(lost), await status(left)]).toEqual(['exited', 'exited']);
    const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
    expect([counts['start'], counts['migrate'], counts['create'], counts['delete']]).toEqual(
      [0, 0, 0, 0].map(() => undefined),
    );
  });

  it('brings back what a trigger finds, up to its limit', async () => {
    await idle();
    const [first, second] = [await exited(), await exited()];

    const { body } = await trigger({ maxMigrations: 1 });
    const execution = await completed(body.jobId);

    expect(execution.summary['migratedInstances']).toBe(1);
    const limited = execution.instances.filter(({ because }) => because === 'max-migrations');
    expect(limited.length).toBeGreaterThanOrEqual(1);
    await idle();
    const rest = await trigger({});
    await completed(rest.body.jobId);
    expect([await status(first), await status(second)]).toEqual(['running', 'running']);
  }, 180_000);

  it('pages and filters its history', async () => {
    await idle();

    const page = (await world.service.get<History>('/api/migration/history?limit=1&offset=1&status=completed')).body;

    expect(page).toMatchObject({ limit: 1, offset: 1, executions: [{ status: 'completed' }] });
    expect(page.total).toBeGreaterThan(1);
    expect((await world.service.get('/api/migration/history?limit=101')).status).toBe(400);
    expect((await world.service.get('/api/migration/history?status=done')).status).toBe(400);
    expect((await world.service.get('/api/migration/history/migration-job-none')).status).toBe(404);
  });

  it('shows its settings and figures from what is stored', async () => {
    await idle();

    const { body } = await world.service.get<Record<string, unknown>>('/api/migration/status');

    const { total } = (await world.service.get<History>('/api/migration/history')).body;
    expect(body).toEqual({
      enabled: false,
      lastExecution: {
        startedAt: expect.any(String),
        completedAt: expect.any(String),
        duration: expect.any(Number),
        status: 'completed',
      },
      nextExecution: null,
      statistics: {
        totalExecutions: total,
        successfulExecutions: total,
        failedExecutions: 0,
        totalInstancesProcessed: expect.any(Number),
        totalMigrations: expect.any(Number),
        averageExecutionTime: expect.any(Number),
      },
      configuration: { intervalMinutes: 15, maxConcurrent: 5, dryRunMode: false, retryFailed: true },
    });
    const health = await world.service.get<Record<string, unknown>>('/health');
    expect(health.body).toMatchObject({
      status: 'healthy',
      migrationService: { enabled: false, lastExecution: expect.any(String), status: 'disabled', recentErrors: 0 },
    });
  });
});

describe('the schedule of the migration', () => {
  it('runs once for all replicas, and what is asked for in the same second is the same run', async () => {
    const world = await World.start({ replicas: 2, env: { MIGRATION_INTERVAL_MINUTES: '0.1' } });
    try {
      const { body } = await world.service.get<{ nextExecution: string; enabled: boolean }>('/api/migration/status');
      const dueAt = await eventually(async () => {
        const answer = await world.service.get<{ nextExecution: string | null }>('/api/migration/status');
        return answer.body.nextExecution;
      });
      expect(body.enabled).toBe(true);
      await eventually(async () => Date.now() >= Date.parse(dueAt) - 20);

      await Promise.all(world.services.map((service) => service.post('/api/migration/trigger', {})));

      const executions = await eventually(async () => {
        const answer = await world.service.get<History>('/api/migration/history');
        return answer.body.executions.length > 0 && answer.body.executions.every(({ status }) => status === 'completed')
          ? answer.body.executions
          : null;
      });
      expect(executions).toHaveLength(1);
    } finally {
      await world.stop();
    }
  });

  it('takes up what rests once migration is enabled, and says in the log that it was the schedule', async () => {
    const world = await World.start({ env: { MIGRATION_ENABLED: 'false' } });
    try {
      const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder());
      const path = `/api/instances/${body.instanceId}`;
      const until = (status: string) =>
        eventually(async () => {
          const answer = await world.service.get<{ status: string; machine: { novitaId: string } }>(path);
          return answer.body.status === status && answer.body;
        });
      const { machine } = await until('running');
      await world.sandbox.control(`/machines/${machine.novitaId}/reclaim`, {});
      await until('exited');

      await world.service.stop();
      world.services.length = 0;
      await world.addService({ MIGRATION_ENABLED: 'true', MIGRATION_INTERVAL_MINUTES: '0.02' });

      await until('running');
      const { body: log } = await world.service.get<{ events: { actor: string; data: unknown }[] }>(`${path}/events`);
      expect(log.events).toContainEqual(
        expect.objectContaining({
          actor: 'schedule',
          data: { decision: 'take-up', because: 'scheduled', jobId: expect.stringMatching(/^migration-job-/) },
        }),
      );
    } finally {
      await world.stop();
    }
  });

  it('is carried on by another replica when the one that runs it dies', async () => {
    const world = await World.start({ replicas: 1, speed: 4 });
    try {
      const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder());
      const path = `/api/instances/${body.instanceId}`;
      const machine = await eventually(async () => {
        const answer = await world.service.get<{ status: string; machine: { novitaId: string } }>(path);
        return answer.body.status === 'running' && answer.body.machine;
      }, 30_000);
      await world.sandbox.control('/faults', {
        faults: [{ endpoint: 'start', kind: 'delay', delayMs: 2500, count: 1 }],
      });
      await world.sandbox.control(`/machines/${machine.novitaId}/reclaim`, {});
      await eventually(async () => {
        const { body: history } = await world.service.get<History>('/api/migration/history?status=running');
        const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
        return history.total === 1 && (counts['start'] ?? 0) === 1;
      });

      await world.service.stop('SIGKILL');
      const killedAt = Date.now();
      const heir = await world.addService();

      const execution = await eventually(async () => {
        const answer = await heir.get<History>('/api/migration/history?status=completed');
        return answer.body.executions[0];
      }, 180_000);
      expect(Date.now() - killedAt).toBeLessThan(60_000);
      expect(execution.summary['migratedInstances']).toBe(1);
      expect((await heir.get<{ status: string }>(path)).body.status).toBe('running');
      expect((await world.sandbox.ledger()).exists).toHaveLength(1);
    } finally {
      await world.stop();
    }
  }, 240_000);
});
