import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually, World } from '../support/world.js';
import { bearer } from './teams.js';

const CLI = fileURLToPath(new URL('../../dist/keys/keys.cli.js', import.meta.url));

jest.setTimeout(180_000);

describe('a service without keys', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.start({ replicas: 0 });
  });

  afterEach(() => world.stop());

  const keysCommand = (...args: string[]) =>
    promisify(execFile)(process.execPath, [CLI, ...args], {
      env: { PATH: process.env['PATH'], DATABASE_URL: world.database.url },
    });

  it('serves everybody on the loopback, until the first key is made, and nobody without one from then on', async () => {
    const [first, second] = await Promise.all([world.addService(), world.addService()]);
    const before = await first.get('/api/instances');

    const { stdout } = await keysCommand('create', '--team', 'ml', '--scopes', 'instances:read,metrics:read');
    const key = stdout.trimEnd().split('\n').at(-1) ?? '';

    expect(before.status).toBe(200);
    expect(key).toMatch(/^ngpu_live_/);
    for (const replica of [first, second])
      await eventually(async () => (await replica.get('/api/instances')).status === 401, 60_000);
    expect((await second.get('/api/instances', bearer(key))).status).toBe(200);
    expect((await second.get('/api/metrics', bearer(key))).status).toBe(200);
    expect((await first.get('/api/metrics')).status).toBe(401);
    expect((await first.get('/health')).status).toBe(200);
    expect((await first.get('/docs/openapi.json')).status).toBe(200);
  });

  it('stays closed when its last key is revoked', async () => {
    const { stdout } = await keysCommand('create', '--team', 'ml', '--scopes', 'instances:read');
    const id = /key[0-9a-z]{16}/.exec(stdout)?.[0] ?? '';
    await keysCommand('revoke', id);

    const service = await world.addService();

    expect((await service.get('/api/instances')).status).toBe(401);
  });

  it('refuses to listen on another address', async () => {
    await expect(world.addService({ HOST: '0.0.0.0' })).rejects.toThrow(
      /ended with 2[^]*Refusing to listen on 0\.0\.0\.0/,
    );
  });

  it('listens there when it is told so, and when a key exists', async () => {
    const told = await world.addService({ HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' });
    const open = await fetch(`http://127.0.0.1:${new URL(told.url).port}/api/instances`);
    await keysCommand('create', '--team', 'ml', '--scopes', 'instances:read');
    const keyed = await world.addService({ HOST: '0.0.0.0' });
    const closed = await fetch(`http://127.0.0.1:${new URL(keyed.url).port}/api/instances`);

    expect([open.status, closed.status]).toEqual([200, 401]);
  });

  it('makes no key for what is no team or no scope', async () => {
    await expect(keysCommand('create', '--team', 'ml', '--scopes', 'everything')).rejects.toMatchObject({ code: 2 });
    await expect(keysCommand('create', '--team', 'Not A Team', '--scopes', 'admin')).rejects.toMatchObject({ code: 2 });
    expect((await keysCommand('list')).stdout.trim()).toBe('');
  });
});
