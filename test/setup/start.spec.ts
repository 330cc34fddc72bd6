import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { removePostgres } from '../../src/platform/database/embedded-postgres.js';

const START = fileURLToPath(new URL('../../scripts/start.mjs', import.meta.url));
const POLL_MS = 50;

interface Replica {
  address: string;
  process: ChildProcess;
  said(): string;
  exitCode: Promise<number | null>;
}

describe('npm start', () => {
  let dataDir: string;
  let replicas: Replica[];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'start-'));
    await chmod(dataDir, 0o755);
    replicas = [];
  });

  afterEach(async () => {
    for (const replica of replicas) replica.process.kill('SIGTERM');
    await Promise.all(replicas.map(({ exitCode }) => exitCode));
    if (await answers(await sandboxUrl())) process.kill(await sandboxPid(), 'SIGTERM');
    await removePostgres(dataDir);
  });

  async function start(): Promise<Replica> {
    const port = await freePort();
    const { npm_lifecycle_event: _, ...inherited } = process.env;
    // An empty key wins over one in a .env file: no test may reach the real upstream.
    const settings = {
      PORT: String(port),
      DATA_DIR: dataDir,
      NOVITA_API_KEY: '',
      DATABASE_URL: '',
      LOG_LEVEL: 'silent',
      SHUTDOWN_DELAY_SECONDS: '0',
    };
    const child = spawn(process.execPath, [START], { env: { ...inherited, ...settings } });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const exitCode = new Promise<number | null>((done) => child.once('exit', done));
    const replica = { address: `http://127.0.0.1:${port}`, process: child, said: () => said, exitCode };
    replicas.push(replica);
    while (child.exitCode === null && !(await answers(`${replica.address}/health/live`))) await sleep(POLL_MS);
    return replica;
  }

  async function sandboxState(): Promise<{ url: string; process: { pid: number } }> {
    return JSON.parse(await readFile(join(dataDir, 'sandbox.json'), 'utf8')) as {
      url: string;
      process: { pid: number };
    };
  }

  async function sandboxUrl(): Promise<string> {
    return (await sandboxState()).url;
  }

  async function sandboxPid(): Promise<number> {
    return (await sandboxState()).process.pid;
  }

  /** Read from the file that Postgres removes as its last act. */
  async function postgresPid(): Promise<number> {
    return parseInt(await readFile(join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8'), 10);
  }

  it('names what runs where, and says plainly that the sandbox answers for the upstream', async () => {
    const { address, said } = await start();

    const health = await fetch(`${address}/health`);

    expect(said()).toContain(`${address}/docs`);
    expect(said()).toContain('SANDBOX: no NOVITA_API_KEY is set');
    expect(said()).toContain(await sandboxUrl());
    expect(said()).toContain(join(dataDir, 'postgres'));
    expect(JSON.stringify(await health.json())).toContain('sandbox');
  });

  it('shares database and sandbox between replicas, until the last one leaves', async () => {
    const [first, second] = await Promise.all([start(), start()]);
    const sandbox = await sandboxUrl();
    const postgres = await postgresPid();

    first.process.kill('SIGINT');
    const firstExit = await first.exitCode;
    const secondAfterwards = await answers(`${second.address}/health/live`);
    const sandboxAfterwards = await answers(sandbox);
    second.process.kill('SIGINT');
    const secondExit = await second.exitCode;

    expect([firstExit, secondExit]).toEqual([0, 0]);
    expect([secondAfterwards, sandboxAfterwards]).toEqual([true, true]);
    expect(await answers(sandbox)).toBe(false);
    expect(postgres).toBeGreaterThan(0);
    await expect(postgresPid()).rejects.toThrow(/ENOENT/);
  });

  it('finds its database and its sandbox again after it was killed', async () => {
    const first = await start();
    const before = [await sandboxPid(), await postgresPid()];
    first.process.kill('SIGKILL');
    await first.exitCode;

    const second = await start();

    expect([await sandboxPid(), await postgresPid()]).toEqual(before);
    expect(await answers(`${second.address}/health/live`)).toBe(true);
  });

  it('takes the service down when it is killed itself', async () => {
    const { address, process: started } = await start();

    started.kill('SIGKILL');

    const deadline = Date.now() + 10_000;
    while ((await answers(`${address}/health/live`)) && Date.now() < deadline) await sleep(POLL_MS);
    expect(await answers(`${address}/health/live`)).toBe(false);
  });
});

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
