import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createEmptyDatabase, type TestDatabase } from '../support/database.js';
import { SandboxProcess } from '../sandbox/sandbox-process.js';

const START_TIMEOUT_MS = 120_000;

interface Copy {
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

interface Stage {
  readonly copies: readonly Copy[];
}

function stages(): Stage[] {
  return readFileSync('Dockerfile', 'utf8')
    .split(/^FROM /m)
    .slice(1)
    .map((text) => ({ copies: [...text.matchAll(/^COPY (.*)$/gm)].map(([, args = '']) => toCopy(args)) }));
}

function toCopy(args: string): Copy {
  const words = args.split(' ');
  const from = words[0]?.startsWith('--from=') === true ? (words.shift()?.slice('--from='.length) ?? null) : null;
  return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
}

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

/** The packages that `npm ci --omit=dev --omit=optional` installs, at the top. */
function shippedPackages(): string[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
  return Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !(dev ?? optional ?? devOptional ?? false))
    .map(([path]) => path)
    .filter((path) => path.lastIndexOf('node_modules/') === 0);
}

jest.setTimeout(180_000);

describe('the image', () => {
  let directory: string;
  let database: TestDatabase;
  let sandbox: SandboxProcess;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    [database, sandbox] = await Promise.all([createEmptyDatabase(), SandboxProcess.start()]);
    directory = mkdtempSync(join(tmpdir(), 'novita-gpu-instances-image-'));
    for (const { sources, target } of stages().at(-1)?.copies ?? [])
      for (const source of sources) place(source, target, sources.length > 1 || target.endsWith('/'));
  });

  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await sandbox.stop();
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What stands for the file system of the last stage: packages as they would be installed, all else as it lies here. */
  function place(source: string, target: string, isDirectory: boolean): void {
    const name = source.replace(/^\/app\//, '');
    if (name === 'node_modules') return shippedPackages().forEach((path) => link(path));
    const to = join(directory, isDirectory ? join(target, name.split('/').at(-1) ?? '') : target);
    cpSync(resolve(name), name === 'package.json' ? join(directory, name) : to, { recursive: true });
  }

  function link(path: string): void {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    symlinkSync(resolve(path), join(directory, path));
  }

  const env = () => ({
    PATH: process.env['PATH'],
    NODE_ENV: 'production',
    PORT: '0',
    DATABASE_URL: database.url,
    SANDBOX_BASE_URL: sandbox.baseUrl,
  });

  it('is built of files that are there', () => {
    const missing = stages()
      .flatMap(({ copies }) => copies)
      .filter(({ from }) => from === null)
      .flatMap(({ sources }) => sources)
      .filter((path) => !existsSync(path));

    expect(missing).toEqual([]);
  });

  it('migrates, serves and makes keys with what was copied into it and nothing else', async () => {
    const child = spawn(process.execPath, ['--preserve-symlinks', '--enable-source-maps', 'scripts/serve.mjs'], {
      cwd: directory,
      env: env(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    const url = await listening(child);

    const ready = await fetch(`${url}/health/startup`);
    const made = spawnSync(
      process.execPath,
      ['--preserve-symlinks', 'dist/keys/keys.cli.js', 'create', '--team', 'ml', '--scopes', 'metrics:read'],
      { cwd: directory, env: env(), encoding: 'utf8' },
    );
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];

    expect([200, 503]).toContain(ready.status);
    expect({ status: made.status, said: made.stderr }).toEqual({ status: 0, said: '' });
    expect(made.stdout.trim().split('\n').at(-1)).toMatch(/^ngpu_live_key/);
    expect(code).toBe(0);
  });

  it('holds the sandbox for trials', async () => {
    const child = spawn(process.execPath, ['sandbox/main.ts'], {
      cwd: directory,
      env: { ...env(), SANDBOX_PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);

    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];

    expect(line).toMatch(/http:\/\/127\.0\.0\.1:\d+/);
  });
});

async function listening(child: ChildProcess): Promise<string> {
  const lines: string[] = [];
  return new Promise((resolveUrl, reject) => {
    const giveUp = () => reject(new Error(`It did not start:\n${lines.slice(-20).join('\n')}`));
    const timer = setTimeout(giveUp, START_TIMEOUT_MS);
    const read = (line: string) => {
      lines.push(line);
      const url = /"url":"(http:[^"]+)".*"msg":"listening"/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolveUrl(url);
    };
    for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on('line', read);
    child.once('exit', () => {
      clearTimeout(timer);
      giveUp();
    });
  });
}
