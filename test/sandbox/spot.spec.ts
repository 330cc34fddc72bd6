import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { anOrder, SandboxProcess } from './sandbox-process.js';

describe('spot machines of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(async () => {
    await sandbox.control('/reset', {});
    await sandbox.control('/time', { speed: 0 });
  });

  it('gives notice with the planned time, reclaims then, and ends exited and terminated', async () => {
    const id = await sandbox.createRunning();
    const { now } = await sandbox.control<{ now: number }>('/time');

    await sandbox.control(`/machines/${id}/notice`, { inSeconds: 3600 });
    const noticed = await sandbox.machine(id);
    await sandbox.advance(3601);
    const reclaiming = await sandbox.machine(id);
    await sandbox.advance(5);
    const reclaimed = await sandbox.machine(id);

    expect(noticed).toMatchObject({ status: 'running', spotStatus: 'notified' });
    expect(Math.abs(Number(noticed.spotReclaimTime) - now / 1000 - 3600)).toBeLessThanOrEqual(1);
    expect(reclaiming).toMatchObject({ status: 'running', spotStatus: 'reclaiming' });
    expect(reclaimed).toMatchObject({
      status: 'exited',
      spotStatus: 'terminated',
      spotReclaimTime: noticed.spotReclaimTime,
    });
    expect((await sandbox.ledger()).billing).toEqual([]);
  });

  it('forgets a notice when the owner stops the machine first', async () => {
    const id = await sandbox.createRunning();
    await sandbox.control(`/machines/${id}/notice`, { inSeconds: 60 });

    await sandbox.post('/gpu/instance/stop', { instanceId: id });
    await sandbox.advance(120);

    expect(await sandbox.machine(id)).toMatchObject({ status: 'exited', spotStatus: '', spotReclaimTime: '0' });
  });

  it('starts a reclaimed machine again, unless told to refuse', async () => {
    const id = await sandbox.createRunning();
    await sandbox.control(`/machines/${id}/reclaim`, {});
    await sandbox.advance(5);
    await sandbox.control('/start-behaviour', { refuseAfterReclaimProbability: 1 });

    const refused = await sandbox.post('/gpu/instance/start', { instanceId: id });
    await sandbox.control('/start-behaviour', {});
    await sandbox.post('/gpu/instance/start', { instanceId: id });
    await sandbox.advance(5);

    expect(refused).toMatchObject({
      status: 400,
      body: { reason: 'INSUFFICIENT_RESOURCE', message: 'start instance error' },
    });
    expect(await sandbox.machine(id)).toMatchObject({ status: 'running', spotStatus: 'running', spotReclaimTime: '0' });
  });

  it('follows a recorded availability: spares the protected, gives notice to the oldest, refuses when full', async () => {
    await sandbox.control('/config', { protectedSeconds: 600, noticeSeconds: 300 });
    await sandbox.control('/availability', {
      cluster: 'CN-HK-01',
      points: [
        { t: 0, count: 3 },
        { t: 100, count: 1 },
      ],
    });
    const ids = [await sandbox.create(), await sandbox.create(), await sandbox.create()];
    const fourth = await sandbox.post('/gpu/instance/create', anOrder());

    await sandbox.advance(200);
    const protectedStill = await Promise.all(ids.map((id) => sandbox.machine(id)));
    await sandbox.advance(401);
    const noticed = await Promise.all(ids.map((id) => sandbox.machine(id)));
    await sandbox.advance(310);
    const after = await Promise.all(ids.map((id) => sandbox.machine(id)));

    expect(fourth.body).toMatchObject({ reason: 'INSUFFICIENT_RESOURCE' });
    expect(protectedStill.map(({ spotStatus }) => spotStatus)).toEqual(['running', 'running', 'running']);
    expect(noticed.map(({ spotStatus }) => spotStatus)).toEqual(['notified', 'notified', 'running']);
    expect(after.map(({ status }) => status)).toEqual(['exited', 'exited', 'running']);
  });

  it('reclaims many at once', async () => {
    for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) await sandbox.create({ name });
    await sandbox.advance(10);

    const { count } = await sandbox.control<{ count: number }>('/machines/reclaim-many', {
      namePrefix: 'a-',
      fraction: 0.5,
    });
    await sandbox.advance(5);

    expect(count).toBe(2);
    expect((await sandbox.list('?status=exited')).instances.map(({ name }) => name)).toEqual(['a-2', 'a-1']);
  });
});
