import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmod, chown, cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { removePostgres, startPostgres, stopPostgres } from '../../src/platform/database/embedded-postgres.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const isRoot = process.getuid?.() === 0;
/** "nobody" on every Linux; Postgres wants a user that the system knows. */
const ORDINARY_USER = 65_534;

describe('the embedded Postgres', () => {
  let directory: string;
  let dataDir: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'embedded-'));
    await chmod(directory, 0o755);
    dataDir = join(directory, 'data');
  });

  afterEach(async () => {
    await removePostgres(dataDir);
    await rm(directory, { recursive: true, force: true });
  });

  it('is joined by whoever comes second, and keeps its data and its port over a stop', async () => {
    const first = await startPostgres(dataDir);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS value');

    const second = await startPostgres(dataDir);
    await stopPostgres(dataDir);
    const third = await startPostgres(dataDir);

    expect(second).toEqual({ ...first, started: false });
    expect({ url: third.url, started: third.started }).toEqual({ url: first.url, started: true });
    expect(await query(third.url, 'SELECT value FROM kept')).toEqual([{ value: 42 }]);
  });

  it('is reachable from this machine with its password only', async () => {
    const { url, home } = await startPostgres(dataDir);
    const guessed = new URL(url);
    guessed.password = 'postgres';

    const attempt = query(guessed.toString(), 'SELECT 1');

    await expect(attempt).rejects.toThrow(/password/);
    expect(await query(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect((await stat(join(home, 'password'))).mode & 0o077).toBe(0);
  });

  it('loses nothing that was committed when it is killed', async () => {
    const first = await startPostgres(dataDir);
    await query(first.url, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS value');

    process.kill(first.pid, 'SIGKILL');
    const second = await startPostgres(dataDir);

    expect(second.pid).not.toBe(first.pid);
    expect(await query(second.url, 'SELECT count(*)::int AS rows FROM kept')).toEqual([{ rows: 1000 }]);
  });

  it('starts although its lock names a process that lives and is somebody else', async () => {
    const { home } = await startPostgres(dataDir);
    const lock = join(home, 'data', 'postmaster.pid');
    const lines = (await readFile(lock, 'utf8')).split('\n');
    await stopPostgres(dataDir);
    await writeFile(lock, [process.pid, ...lines.slice(1)].join('\n'));

    const { started } = await startPostgres(dataDir);

    expect(started).toBe(true);
  });

  it('begins anew after a first start that was interrupted', async () => {
    const { home } = await startPostgres(dataDir);
    await stopPostgres(dataDir);
    await rm(join(home, 'data', 'PG_VERSION'));
    await cp(join(home, 'data'), join(home, 'data.unfinished'), { recursive: true });
    await rm(join(home, 'data'), { recursive: true });

    const { url } = await startPostgres(dataDir);

    expect(await query(url, 'SELECT 1 AS alive')).toEqual([{ alive: 1 }]);
  });

  it('is another one for a copy of the data directory', async () => {
    const original = await startPostgres(dataDir);
    await stopPostgres(dataDir);
    const copy = join(directory, 'copy');
    spawnSync('cp', ['-a', dataDir, copy]);

    const [again, copied] = await Promise.all([startPostgres(dataDir), startPostgres(copy)]);
    await stopPostgres(copy);

    expect(copied.pid).not.toBe(again.pid);
    expect(copied.home).not.toBe(original.home);
    expect(await query(again.url, 'SELECT 1 AS alive')).toEqual([{ alive: 1 }]);
  });

  if (isRoot) {
    it('keeps its data elsewhere, and finds it again, when root works where nobody else may enter', async () => {
      await chmod(directory, 0o700);

      const first = await startPostgres(dataDir);
      await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS value');
      await stopPostgres(dataDir);
      const second = await startPostgres(dataDir);

      expect(first.home.startsWith(directory)).toBe(false);
      expect(first.movedBecause).toContain(dataDir);
      expect(second.home).toBe(first.home);
      expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 42 }]);
    });
  }

  if (isRoot && isOpenTo(ORDINARY_USER)) {
    it('starts for an ordinary user in a home that nobody else may enter', async () => {
      await chown(directory, ORDINARY_USER, ORDINARY_USER);
      await chmod(directory, 0o700);

      const { status, stdout } = startAs(ORDINARY_USER, dataDir);

      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ started: true, home: join(dataDir, 'postgres'), movedBecause: null });
      expect((await stat(join(dataDir, 'postgres', 'data'))).uid).toBe(ORDINARY_USER);
    });
  }
});

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function isOpenTo(uid: number): boolean {
  return spawnSync(process.execPath, ['--version'], { uid, gid: uid, cwd: ROOT }).status === 0;
}

function startAs(uid: number, dataDir: string) {
  const program = `
    await import('${ROOT}test/support/resolve-sources.mts');
    const { startPostgres } = await import('${ROOT}src/platform/database/embedded-postgres.ts');
    const { started, home, movedBecause } = await startPostgres('${dataDir}');
    console.log(JSON.stringify({ started, home, movedBecause }));`;
  const options = { uid, gid: uid, cwd: dirname(dataDir), env: { HOME: dirname(dataDir) }, encoding: 'utf8' } as const;
  return spawnSync(process.execPath, ['--input-type=module', '--eval', program], options);
}
