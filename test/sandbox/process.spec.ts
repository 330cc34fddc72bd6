import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { SandboxProcess } from './sandbox-process.js';

describe('the sandbox as a process', () => {
  it('asks for the key when it has one', async () => {
    const sandbox = await SandboxProcess.start({ SANDBOX_API_KEY: 'right' });

    const ask = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${sandbox.baseUrl}/clusters`, { headers });
    const replies = await Promise.all([
      ask({ authorization: 'Bearer right' }),
      ask({ authorization: 'Bearer wrong' }),
      ask({}),
    ]);
    await sandbox.stop();

    expect(replies.map(({ status }) => status)).toEqual([200, 401, 400]);
  });

  it('begins with the state of a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sandbox-'));
    const file = join(folder, 'state.json');
    const state = {
      config: { listLagSeconds: 5 },
      machines: [{ count: 2, namePrefix: 'there-' }],
      stock: [{ cluster: 'AS-SGP-02', count: 0 }],
    };
    await writeFile(file, JSON.stringify(state));
    const sandbox = await SandboxProcess.start({ SANDBOX_STATE: file });

    const { total } = await sandbox.list('?name=there-');
    const config = await sandbox.control('/config');
    await sandbox.stop();
    await rm(folder, { recursive: true });

    expect(total).toBe('2');
    expect(config).toMatchObject({ listLagSeconds: 5 });
  });

  it('ends when the process that it watches is gone', async () => {
    const watched = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    const sandbox = await SandboxProcess.start({ SANDBOX_PARENT_PID: String(watched.pid) }, []);

    watched.kill('SIGKILL');
    await once(watched, 'exit');
    await sleep(1500);

    await expect(fetch(`${sandbox.url}/__sandbox/health`)).rejects.toThrow();
    await sandbox.stop();
  });

  it('serves a list of 20,000 machines in well under a millisecond a machine', async () => {
    const sandbox = await SandboxProcess.start();
    await sandbox.control('/machines', { count: 20_000, namePrefix: 'bulk-' });
    const startedAt = performance.now();

    const ids = new Set<string>();
    for (let page = 1; page <= 200; page += 1) {
      for (const { id } of (await sandbox.list(`?name=bulk-&pageSize=100&pageNum=${page}`)).instances) ids.add(id);
    }
    const tookMs = performance.now() - startedAt;
    await sandbox.stop();

    expect(ids.size).toBe(20_000);
    expect(tookMs).toBeLessThan(10_000);
  });
});
