import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SandboxProcess } from './sandbox-process.js';

interface Jobs {
  jobs: {
    Id: string;
    type: string;
    instanceId: string;
    createdAt: string;
    state: { state: string; errorMessage: string };
  }[];
}

describe('migrations of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(async () => {
    await sandbox.control('/reset', {});
    await sandbox.control('/time', { speed: 0 });
  });

  async function reclaimed(): Promise<string> {
    const id = await sandbox.createRunning();
    await sandbox.control(`/machines/${id}/reclaim`, {});
    await sandbox.advance(5);
    return id;
  }

  async function newestJob(): Promise<Jobs['jobs'][number] | undefined> {
    return (await sandbox.get<Jobs>('/jobs?type=instanceMigrate&pageSize=10&pageNum=1&jobId=')).body.jobs[0];
  }

  it('keeps the id and ends running with a successful job', async () => {
    const id = await reclaimed();

    const reply = await sandbox.post('/gpu/instance/migrate', { instanceId: id });
    const during = await sandbox.machine(id);
    const again = await sandbox.post('/gpu/instance/migrate', { instanceId: id });
    await sandbox.advance(10);

    expect(reply).toMatchObject({ status: 200, text: '' });
    expect(during).toMatchObject({ status: 'migrating', jobs: [{ type: 'instanceMigrate' }] });
    expect(again.status).toBe(400);
    expect(await sandbox.machine(id)).toMatchObject({
      id,
      status: 'running',
      spotStatus: 'running',
      spotReclaimTime: '0',
      jobs: [],
    });
    expect(await newestJob()).toMatchObject({
      instanceId: id,
      createdAt: expect.any(String),
      state: { state: 'success' },
    });
  });

  it.each([
    ['fail', 'migrating', 'fail'],
    ['stick', 'migrating', 'running'],
    ['exited', 'exited', 'success'],
  ])('can %s: the machine is %s, the job %s', async (behaviour, status, jobState) => {
    await sandbox.control('/migrate-behaviour', { [behaviour]: 1 });
    const id = await reclaimed();

    await sandbox.post('/gpu/instance/migrate', { instanceId: id });
    await sandbox.advance(86_400);

    expect((await sandbox.machine(id)).status).toBe(status);
    expect((await newestJob())?.state.state).toBe(jobState);
  });

  it('can refuse, and then leaves no job', async () => {
    await sandbox.control('/migrate-behaviour', { refuse: 1 });
    const id = await reclaimed();

    const reply = await sandbox.post('/gpu/instance/migrate', { instanceId: id });

    expect(reply).toMatchObject({ status: 400, body: { reason: 'MIGRATE_INSUFFICIENT_RESOURCE' } });
    expect((await sandbox.machine(id)).status).toBe('exited');
    expect(await newestJob()).toBeUndefined();
  });

  it('refuses during a notice, and when nothing of the kind is free', async () => {
    const noticed = await sandbox.createRunning();
    await sandbox.control(`/machines/${noticed}/notice`, { inSeconds: 3600 });
    const stopped = await reclaimed();
    await sandbox.control('/stock', { clusterId: 'cn-hongkong-1', count: 0 });

    const duringNotice = await sandbox.post('/gpu/instance/migrate', { instanceId: noticed });
    const withoutStock = await sandbox.post('/gpu/instance/migrate', { instanceId: stopped });

    expect(duringNotice.body).toMatchObject({ message: 'invalid state change' });
    expect(withoutStock.body).toMatchObject({ reason: 'MIGRATE_INSUFFICIENT_RESOURCE' });
  });

  it('can be deleted in the middle; the job is broken off', async () => {
    const id = await reclaimed();
    await sandbox.post('/gpu/instance/migrate', { instanceId: id });

    const { status } = await sandbox.post('/gpu/instance/delete', { instanceId: id });
    await sandbox.advance(10);

    expect(status).toBe(200);
    expect((await sandbox.ledger()).exists).toEqual([]);
    expect((await newestJob())?.state.state).toBe('break');
  });

  it('moves a machine by itself when told to', async () => {
    const id = await sandbox.createRunning();

    await sandbox.control('/autoMigrate', { id });
    const during = (await sandbox.machine(id)).status;
    await sandbox.advance(10);

    const { body } = await sandbox.get<Jobs>('/jobs?type=autoInstanceMigrate');
    expect([during, (await sandbox.machine(id)).status]).toEqual(['migrating', 'running']);
    expect(body.jobs).toMatchObject([{ instanceId: id, state: { state: 'success' } }]);
  });
});
