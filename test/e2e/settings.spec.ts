import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSettings, type Settings } from '../../src/platform/config.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'dist', 'main.js');
const START = join(ROOT, 'scripts', 'start.mjs');

interface Ending {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end. */
async function run(program: string, env: Record<string, string>): Promise<Ending> {
  const child = spawn(process.execPath, ['--enable-source-maps', program], {
    env: { PATH: process.env['PATH'], ...env },
  });
  process.once('exit', () => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

/** One wrong value for each kind of setting. */
const WRONG = {
  PORT: '70000',
  DATABASE_URL: 'mysql://localhost/x',
  LOG_LEVEL: 'loud',
  NOVITA_API_BASE_URL: 'ftp://api.novita.ai',
  NOVITA_REQUESTS_PER_MINUTE: '1.5',
  DEPLOYMENT_ID: 'Not-This',
  MACHINE_NAME_PREFIX: '9',
  LIFECYCLE_POLL_SECONDS: 'often',
  STARTUP_TIMEOUT_SECONDS: '-1',
  MIGRATION_ENABLED: 'perhaps',
  WEBHOOK_SECRET: 'whsec_%%%secret-that-nobody-may-see',
  WEBHOOK_ALLOWED_HOSTS: 'localhost',
  WEBHOOK_ALLOWED_CIDRS: '10.0.0.0/99',
  WEBHOOK_DENIED_PORTS: 'postgres',
  RATE_LIMIT_GENERAL_PER_HOUR: '0',
  TRUSTED_PROXIES: 'my-proxy',
  REDIS_URL: 'http://127.0.0.1',
};

describe('settings that are wrong', () => {
  it('are all listed at once and stop the start with exit code 2', async () => {
    const { code, output } = await run(MAIN, WRONG);

    expect(code).toBe(2);
    for (const name of [...Object.keys(WRONG), 'NOVITA_API_KEY'])
      expect(output).toMatch(new RegExp(`^  - ${name}\\b`, 'm'));
    expect(output).not.toMatch(/^\s+at /m);
    expect(output).not.toContain('secret-that-nobody-may-see');
  });

  it('are listed by `npm start` before it starts anything', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'settings-'));

    const { code, output } = await run(START, { ...WRONG, NOVITA_API_KEY: '', DATA_DIR: dataDir });

    expect(code).toBe(2);
    expect(output).toContain('PORT must be a number from 0 to 65535');
    expect(output).toContain('DATABASE_URL must be a URL');
    expect(output).not.toMatch(/^\s+at /m);
    expect(await readdir(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true });
  });
});

/** `# NAME=default   explanation`; the default may be empty. */
interface Described {
  readonly name: string;
  readonly value: string;
  readonly explanation: string;
}

async function readExample(): Promise<Described[]> {
  const lines = (await readFile(join(ROOT, '.env.example'), 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const [, name, value, explanation] = /^# ([A-Z][A-Z0-9_]+)=(\S*)(?:\s+(.*))?$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value: value ?? '', explanation: explanation ?? '' }];
  });
}

async function namesIn(files: readonly string[], pattern: RegExp): Promise<Set<string>> {
  const texts = await Promise.all(files.map((file) => readFile(join(ROOT, file), 'utf8')));
  return new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name]) => name ?? '')));
}

async function filesIn(directory: string, ending: string): Promise<string[]> {
  const names = await readdir(join(ROOT, directory), { recursive: true });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(directory, name));
}

describe('a secret in a file', () => {
  const others = { NOVITA_SANDBOX: 'true', DATABASE_URL: 'postgresql://127.0.0.1/x' };

  it('is read from where NAME_FILE says, without the line end', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'settings-'));
    const path = join(directory, 'secret');
    await writeFile(path, 'a-key-in-a-file-of-its-own\n');

    const fromFile = loadSettings({ ...others, BOOTSTRAP_ADMIN_KEY_FILE: path, NOVITA_API_KEY_FILE: path });
    const both = loadSettings({ ...others, NOVITA_API_KEY_FILE: path, NOVITA_API_KEY: 'sk_said' });

    await rm(directory, { recursive: true });
    expect(fromFile.bootstrapAdminKey).toBe('a-key-in-a-file-of-its-own');
    expect(fromFile.novitaApiKey).toBe('a-key-in-a-file-of-its-own');
    expect(both.novitaApiKey).toBe('sk_said');
  });

  it('that is not there stops the start, instead of being none', async () => {
    const { code, output } = await run(MAIN, {
      DATABASE_URL_FILE: '/nowhere/database',
      NOVITA_API_KEY_FILE: '/dev/null',
    });

    expect(code).toBe(2);
    expect(output).toMatch(/^ {2}- DATABASE_URL_FILE names a file that cannot be read$/m);
    expect(output).toMatch(/^ {2}- NOVITA_API_KEY_FILE names an empty file$/m);
  });
});

describe('.env.example', () => {
  it('names every setting of the service, of the scripts and of the sandbox, and no other', async () => {
    const [service, scripts, sandbox] = await Promise.all([
      namesIn(['src/platform/config.ts'], /read\.\w+\(\s*'([A-Z][A-Z0-9_]+)'/g),
      filesIn('scripts', '.mjs').then((files) => namesIn(files, /\bsetting\('([A-Z][A-Z0-9_]+)'\)/g)),
      filesIn('sandbox', '.ts').then((files) => namesIn(files, /process\.env\['([A-Z][A-Z0-9_]+)'\]/g)),
    ]);

    const described = (await readExample()).map(({ name }) => name);

    expect(service.size).toBeGreaterThan(30);
    expect(described.toSorted()).toEqual([...new Set([...service, ...scripts, ...sandbox])].toSorted());
  });

  it('gives each setting the default that the service has', async () => {
    const needed = { NOVITA_SANDBOX: 'true', DATABASE_URL: 'postgresql://127.0.0.1/x' };
    const example = await readExample();

    const written = Object.fromEntries(example.map(({ name, value }) => [name, value]));

    expect(comparable(loadSettings({ ...written, ...needed }))).toEqual(comparable(loadSettings(needed)));
  });

  it('explains every setting whose name does not', async () => {
    const silent = (await readExample()).filter(({ explanation }) => explanation === '').map(({ name }) => name);

    expect(silent).toEqual(['NOVITA_API_BASE_URL', 'MIGRATION_ENABLED', 'RATE_LIMIT_ENABLED']);
  });
});

function comparable(settings: Settings): Partial<Settings> {
  const { replicaId: _, ...rest } = settings;
  return rest;
}
