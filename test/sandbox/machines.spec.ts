import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { anOrder, SandboxProcess } from './sandbox-process.js';

describe('machines of the sandbox', () => {
  let sandbox: SandboxProcess;

  beforeAll(async () => {
    sandbox = await SandboxProcess.start();
  });

  afterAll(() => sandbox.stop());

  beforeEach(() => sandbox.control('/reset', {}));

  it('walks a machine from toCreate over creating and pulling to running', async () => {
    await sandbox.control('/time', { speed: 0 });
    const id = await sandbox.create();

    const seen = [(await sandbox.machine(id)).status];
    for (const seconds of [0.6, 1.5, 4]) {
      await sandbox.advance(seconds);
      seen.push((await sandbox.machine(id)).status);
    }

    expect(seen).toEqual(['toCreate', 'creating', 'pulling', 'running']);
  });

  it('answers create with the id only, and shows numbers as strings', async () => {
    const { status, body } = await sandbox.post('/gpu/instance/create', anOrder({ gpuNum: 2 }));

    expect(status).toBe(200);
    expect(body).toEqual({ id: expect.stringMatching(/^[0-9a-f]{16}$/) });
    const { instances, total } = await sandbox.list();
    expect(total).toBe('1');
    expect(instances[0]).toMatchObject({
      gpuNum: '2',
      cpuNum: '32',
      rootfsSize: 60,
      spotReclaimTime: '0',
      endTime: '-1',
    });
    expect(instances[0]).toHaveProperty('createdAt', expect.stringMatching(/^\d{10}$/));
  });

  it('shows endpoints and SSH access only some time after running', async () => {
    await sandbox.control('/config', { durations: { connect: 5 } });
    await sandbox.control('/time', { speed: 0 });
    const id = await sandbox.create();
    await sandbox.advance(6.1);

    const fresh = await sandbox.machine(id);
    await sandbox.advance(5);
    const connected = await sandbox.machine(id);

    expect(fresh).toMatchObject({ status: 'running', connectComponentSSH: { isRunning: false } });
    expect(fresh.portMappings.map(({ endpoint }) => endpoint)).toEqual(['', '']);
    expect(connected.connectComponentSSH?.sshCommand).toMatch(/^ssh -p \d+ root@proxy\.cn-hongkong-1\./);
    const application = await fetch(connected.portMappings[0]?.endpoint ?? '');
    expect(application.status).toBe(200);
  });

  it('maps ports to the real servers that a test names, for machines that are still to come', async () => {
    await sandbox.control('/endpoints', { namePattern: '^probe-', endpoints: { '8888': 'http://127.0.0.1:1234' } });

    const id = await sandbox.createRunning({ name: 'probe-1' });
    const other = await sandbox.createRunning({ name: 'other' });

    expect((await sandbox.machine(id)).portMappings[0]?.endpoint).toBe('http://127.0.0.1:1234');
    expect((await sandbox.machine(other)).portMappings[0]?.endpoint).toContain('/__machine/');
  });

  it('stops, starts with new credentials, and restarts', async () => {
    const id = await sandbox.createRunning();
    const before = await sandbox.machine(id);

    await sandbox.post('/gpu/instance/stop', { instanceId: id });
    const stopping = (await sandbox.machine(id)).status;
    await sandbox.advance(5);
    const stopped = await sandbox.machine(id);
    await sandbox.post('/gpu/instance/start', { instanceId: id });
    await sandbox.advance(5);
    const started = await sandbox.machine(id);

    expect(stopping).toBe('toStop');
    expect(stopped).toMatchObject({ status: 'exited', spotStatus: '', spotReclaimTime: '0' });
    expect(started).toMatchObject({ status: 'running', spotStatus: 'running' });
    expect(started.connectComponentSSH?.password).not.toBe(before.connectComponentSSH?.password);
    const restart = await sandbox.post('/gpu/instance/restart', { instanceId: id });
    expect(restart).toMatchObject({ status: 200, text: '' });
    expect((await sandbox.machine(id)).status).toBe('toRestart');
  });

  it('refuses an action in the wrong state, and knows 404 from 400 for an unknown id', async () => {
    const id = await sandbox.createRunning();

    const start = await sandbox.post('/gpu/instance/start', { instanceId: id });
    const unknownStart = await sandbox.post('/gpu/instance/start', { instanceId: 'feedfeedfeedfeed' });
    const unknownGet = await sandbox.get('/gpu/instance?instanceId=feedfeedfeedfeed');

    expect(start).toMatchObject({ status: 400, body: { code: 400, message: 'invalid state change' } });
    expect(unknownStart).toMatchObject({ status: 400, body: { reason: 'RESOURCE_NOT_FOUND' } });
    expect(unknownGet.status).toBe(404);
  });

  it('removes a machine in steps; a second delete and a later get are 404', async () => {
    const id = await sandbox.createRunning();

    const first = await sandbox.post('/gpu/instance/delete', { instanceId: id });
    const again = await sandbox.post('/gpu/instance/delete', { instanceId: id });
    const leaving = (await sandbox.machine(id)).status;
    await sandbox.advance(2);

    expect([first.status, again.status]).toEqual([200, 404]);
    expect(leaving).toBe('toRemove');
    expect((await sandbox.get(`/gpu/instance?instanceId=${id}`)).status).toBe(404);
    expect((await sandbox.list()).instances).toEqual([]);
  });

  it('shows a removed machine for a while with empty product fields when asked to', async () => {
    await sandbox.control('/config', { durations: { removed: 60 } });
    const id = await sandbox.createRunning();

    await sandbox.post('/gpu/instance/delete', { instanceId: id });
    await sandbox.advance(2);

    expect(await sandbox.machine(id)).toMatchObject({ status: 'removed', productId: '', productName: '' });
    expect((await sandbox.ledger()).exists).toEqual([]);
  });

  it('reports a bad image through statusError and goes on billing', async () => {
    const id = await sandbox.createRunning({ imageUrl: 'docker.io/acme/bad-image:1' });

    const machine = await sandbox.machine(id);

    expect(machine).toMatchObject({ status: 'pulling', statusError: { message: 'failed to pull image' } });
    expect((await sandbox.ledger()).totals.billing).toBe(1);
  });

  it.each([
    ['a missing kind', { kind: undefined }, 'VALIDATOR_PARAM'],
    ['a gpuNum that is text', { gpuNum: '1' }, 'VALIDATOR_PARAM'],
    ['nine cards', { gpuNum: 9 }, 'VALIDATOR_PARAM'],
    ['a reserved port', { ports: '2222/tcp' }, 'VALIDATOR_PARAM'],
    ['ports in another format', { ports: '8080:http' }, 'VALIDATOR_PARAM'],
    [
      'sixteen ports',
      { ports: Array.from({ length: 16 }, (_, port) => `${port + 1}/tcp`).join(',') },
      'VALIDATOR_PARAM',
    ],
    ['a disk above the limit of the product', { rootfsSize: 1001 }, 'VALIDATOR_PARAM'],
    ['a display code as cluster id', { clusterId: 'CN-HK-01' }, 'VALIDATOR_PARAM'],
    ['an unknown product', { productId: '4090' }, 'VALIDATOR_PARAM'],
    ['a name with a space', { name: 'two words' }, 'VALIDATOR_PARAM'],
    ['an env value that is too long', { envs: [{ key: 'A', value: 'x'.repeat(4096) }] }, 'VALIDATOR_PARAM'],
    ['spot of a product without spot', { productId: '3090.12c48g' }, 'UNSUPPORTED_BILLING_MODE'],
    ['spot of a product with an empty spot price', { productId: '26' }, 'UNSUPPORTED_BILLING_MODE'],
    ['a product that is sold out', { productId: 'L40S.16c120g', clusterId: 'us-ca-6' }, 'INSUFFICIENT_RESOURCE'],
  ])('refuses to create %s', async (_what, overrides, reason) => {
    const reply = await sandbox.post('/gpu/instance/create', anOrder(overrides));

    expect(reply).toMatchObject({ status: 400, body: { code: 400, reason, metadata: {} } });
    expect((await sandbox.ledger()).machines).toEqual([]);
  });

  it('makes an order with month > 0 monthly, and then refuses to delete it', async () => {
    const id = await sandbox.createRunning({ month: 1 });

    const reply = await sandbox.post('/gpu/instance/delete', { instanceId: id });

    expect(await sandbox.machine(id)).toMatchObject({ billingMode: 'monthly' });
    expect(reply.body).toMatchObject({ reason: 'PREPAID_INSTANCE_NOT_SUPPORT_RELEASE' });
  });
});
