import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SandboxProcess } from './sandbox-process.js';

describe('ledger of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(async () => {
    await sandbox.control('/reset', {});
    await sandbox.control('/time', { speed: 0 });
  });

  it('bills from pulling until exited, for all cards at the spot price', async () => {
    const id = await sandbox.create({ gpuNum: 2 });
    await sandbox.advance(2 + 3600);
    await sandbox.post('/gpu/instance/stop', { instanceId: id });
    await sandbox.advance(7200);

    const { machines, totals, billing } = await sandbox.ledger();

    const record = machines[0];
    const [interval] = record?.billing ?? [];
    expect(record?.pricePerHourMicros).toBe(350_000);
    expect((interval?.from ?? 0) - (record?.createdAt ?? 0)).toBe(2000);
    expect((interval?.to ?? 0) - (interval?.from ?? 0)).toBe(3_601_300);
    expect(totals.costMicros).toBe(Math.round((3_601_300 * 350_000) / 3_600_000));
    expect(billing).toEqual([]);
  });

  it('opens a second interval when the machine is started again', async () => {
    const id = await sandbox.createRunning();
    await sandbox.post('/gpu/instance/stop', { instanceId: id });
    await sandbox.advance(10);
    await sandbox.post('/gpu/instance/start', { instanceId: id });
    await sandbox.advance(10);

    const { machines } = await sandbox.ledger();

    expect(machines[0]?.billing).toEqual([
      { from: expect.any(Number), to: expect.any(Number) },
      { from: expect.any(Number), to: null },
    ]);
  });

  it('remembers a removed machine, and that it bills no more', async () => {
    const id = await sandbox.createRunning();
    await sandbox.post('/gpu/instance/delete', { instanceId: id });
    await sandbox.advance(10);

    const { machines, exists, totals } = await sandbox.ledger();

    expect(exists).toEqual([]);
    expect(totals).toMatchObject({ billing: 0 });
    expect(machines[0]).toMatchObject({ id, status: 'removed', removedAt: expect.any(Number) });
    expect(machines[0]?.billing[0]?.to).toBe(machines[0]?.removedAt);
  });

  it('tells machines of others from those that came through the API', async () => {
    await sandbox.control('/machines', { count: 3, namePrefix: 'theirs-' });
    const id = await sandbox.create();

    const ours = await sandbox.ledger('?owner=us');
    const theirs = await sandbox.ledger('?namePrefix=theirs-');

    expect(ours.machines.map((record) => record.id)).toEqual([id]);
    expect(theirs.totals.exists).toBe(3);
  });

  it('does not count control calls', async () => {
    await sandbox.list();
    await sandbox.ledger();

    const calls = await sandbox.control<{ counts: object; total: number }>('/calls');

    expect(calls).toMatchObject({ counts: { list: 1 }, total: 1 });
  });
});
