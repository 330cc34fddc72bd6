import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { anOrder, SandboxProcess } from './sandbox-process.js';

interface Calls {
  counts: Record<string, number>;
  log: { endpoint: string; id: string | null; name: string | null; outcome: string; fault: string | null }[];
}

describe('faults of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(() => sandbox.control('/reset', {}));

  it.each(['500-after', '400-after', 'html', 'empty'])('executes a create that answers with %s', async (kind) => {
    await sandbox.control('/faults', { faults: [{ endpoint: 'create', kind, count: 1 }] });

    const reply = await sandbox.post('/gpu/instance/create', anOrder());

    expect(reply.body).not.toHaveProperty('id');
    expect((await sandbox.ledger()).totals.exists).toBe(1);
    expect((await sandbox.control<Calls>('/calls')).log).toMatchObject([
      { endpoint: 'create', outcome: 'ok', fault: kind },
    ]);
  });

  it.each(['timeout-after', 'reset-after', 'truncate'])(
    'executes a create whose answer is lost by %s',
    async (kind) => {
      await sandbox.control('/faults', { faults: [{ endpoint: 'create', kind, count: 1 }] });

      await expect(sandbox.post('/gpu/instance/create', anOrder(), AbortSignal.timeout(400))).rejects.toThrow();

      expect((await sandbox.ledger()).totals.exists).toBe(1);
    },
  );

  it.each(['500-before', 'html-before', '429', '404', 'refuse'])(
    'does not execute a create that answers with %s',
    async (kind) => {
      await sandbox.control('/faults', { faults: [{ endpoint: 'create', kind, count: 1, retryAfter: 7 }] });

      const reply = await sandbox.post('/gpu/instance/create', anOrder());

      expect(reply.status).toBeGreaterThanOrEqual(400);
      expect(reply.headers.get('retry-after')).toBe(kind === '429' ? '7' : null);
      expect((await sandbox.ledger()).machines).toEqual([]);
    },
  );

  it('strikes as often as it was told, after the calls it was told to skip, and only where the name matches', async () => {
    await sandbox.control('/faults', {
      faults: [{ endpoint: 'create', kind: '500-before', count: 1, skip: 1, match: 'marked' }],
    });

    const statuses: number[] = [];
    for (const name of ['plain', 'marked-1', 'marked-2', 'marked-3']) {
      statuses.push((await sandbox.post('/gpu/instance/create', anOrder({ name }))).status);
    }

    expect(statuses).toEqual([200, 200, 500, 200]);
  });

  it('replays the same faults from the same seed', async () => {
    const run = async (): Promise<number[]> => {
      await sandbox.control('/faults', { seed: 42, faults: [{ endpoint: '*', kind: '500-before', probability: 0.5 }] });
      const statuses: number[] = [];
      for (let call = 0; call < 20; call += 1) statuses.push((await sandbox.get('/clusters')).status);
      return statuses;
    };

    const first = await run();
    const second = await run();

    expect(second).toEqual(first);
    expect(new Set(first)).toEqual(new Set([200, 500]));
  });

  it('lies about a delete: 200, and the machine lives on', async () => {
    const id = await sandbox.createRunning();
    await sandbox.control('/faults', { faults: [{ endpoint: 'delete', kind: 'delete-lies', count: 1 }] });

    const { status } = await sandbox.post('/gpu/instance/delete', { instanceId: id });
    await sandbox.advance(60);

    expect(status).toBe(200);
    expect((await sandbox.machine(id)).status).toBe('running');
  });

  it('leaves machines out of a partial page without changing the total', async () => {
    await sandbox.control('/machines', { count: 100 });
    await sandbox.control('/faults', { faults: [{ endpoint: 'list', kind: 'partial-page' }] });

    const page = await sandbox.list('?pageSize=100&pageNum=1');

    expect(page.instances.length).toBeLessThan(100);
    expect(page.total).toBe('100');
  });

  it('answers late without being counted twice', async () => {
    await sandbox.control('/faults', { faults: [{ endpoint: 'clusters', kind: 'delay', delayMs: 150, count: 1 }] });
    const startedAt = performance.now();

    await sandbox.get('/clusters');

    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(140);
    expect((await sandbox.control<Calls>('/calls')).counts).toEqual({ clusters: 1 });
  });

  it('refuses a fault and a setting that it does not know', async () => {
    await expect(sandbox.control('/faults', { faults: [{ endpoint: 'create', kind: 'explode' }] })).rejects.toThrow(
      'fault kind',
    );
    await expect(sandbox.control('/config', { durations: { puling: 1 } })).rejects.toThrow('durations.puling');
  });
});
