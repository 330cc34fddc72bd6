import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';

const MACHINES = Number(process.env['PROOF_MACHINES'] ?? 40);

interface Listed {
  id: string;
  status: string;
}

function sorted(ids: readonly (string | undefined)[]): string[] {
  return ids.map(String).toSorted((a, b) => a.localeCompare(b));
}

describe('a zone that takes all its spot machines back at once', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({
      replicas: 2,
      env: { STARTUP_TIMEOUT_SECONDS: '25', MIGRATION_MAX_CONCURRENT: '20', ORPHAN_MAX_PER_SWEEP: '100' },
    });
  });

  afterAll(() => world.stop());

  const list = async () =>
    (await world.service.get<{ instances: Listed[]; total: number }>('/api/instances?limit=100')).body;
  const all = async () => {
    const { total } = await list();
    const pages = Array.from({ length: Math.ceil(total / 100) }, (_, page) =>
      world.service.get<{ instances: Listed[] }>(`/api/instances?limit=100&offset=${page * 100}`),
    );
    return (await Promise.all(pages)).flatMap(({ body }) => body.instances);
  };

  it(`brings ${MACHINES} instances back with 30 % failing starts, 30 % refused and 10 % stuck migrations: none double, none orphaned`, async () => {
    for (let index = 0; index < MACHINES; index += 1)
      await world.services[index % 2]!.post('/api/instances', anOrder({ name: `spot-${index}` }));
    await eventually(async () => {
      const instances = await all();
      if (instances.every(({ status }) => status === 'running')) return true;
      throw new Error(instances.map(({ status }) => status).join());
    }, 120_000);
    await world.sandbox.control('/start-behaviour', { refuseAfterReclaimProbability: 0.3, refuseProbability: 0.3 });
    await world.sandbox.control('/migrate-behaviour', { refuse: 0.3, stick: 0.1 });

    await world.sandbox.control('/machines/reclaim-many', { fraction: 1, inSeconds: 0 });

    await eventually(async () => {
      const { body } = await world.service.get<{ statistics: { totalMigrations: number } }>('/api/migration/status');
      const instances = await all();
      const { totalMigrations } = body.statistics;
      const unsettled = instances.filter(({ status }) => status !== 'running' && status !== 'failed');
      const running = instances.filter(({ status }) => status === 'running').length;
      if (unsettled.length === 0 && totalMigrations >= running) return true;
      throw new Error(
        `${running} run, ${totalMigrations} moved; ${unsettled.map((one) => `${one.id} ${one.status}`).join()}`,
      );
    }, 240_000);
    const instances = await all();
    const details = await Promise.all(
      instances.map(async ({ id }) => {
        const { body } = await world.service.get<{
          status: string;
          statusReason?: { code: string };
          machine?: { novitaId: string };
        }>(`/api/instances/${id}`);
        return body;
      }),
    );
    for (const { status, statusReason } of details)
      if (status === 'failed') expect(statusReason?.code).toMatch(/^[A-Z_]+$/);
    const wanted = details.flatMap(({ status, machine }) => (status === 'running' ? [machine?.novitaId ?? ''] : []));
    const ledger = await eventually(async () => {
      const report = await world.sandbox.ledger();
      return report.exists.length === wanted.length && report;
    }, 240_000);
    expect(sorted(ledger.exists.map(({ id }) => id))).toEqual(sorted(wanted));
    expect(sorted(ledger.billing.map(({ id }) => id))).toEqual(sorted(wanted));
    expect(mostAtOnce(ledger.machines)).toBeLessThanOrEqual(MACHINES);
  }, 480_000);
});

/** How many machines billed at the same time, over the whole run. */
function mostAtOnce(machines: readonly { billing: { from: number; to: number | null }[] }[]): number {
  const marks = machines
    .flatMap(({ billing }) => billing.flatMap(({ from, to }) => [[from, 1] as const, [to ?? Infinity, -1] as const]))
    .toSorted(([a, up], [b, down]) => a - b || up - down);
  let now = 0;
  return Math.max(...marks.map(([, step]) => (now += step)));
}
