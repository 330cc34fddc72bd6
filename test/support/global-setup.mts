import { chmod, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import './resolve-sources.mts';

const { databaseUrlOn, removePostgres, startPostgres } =
  await import('../../src/platform/database/embedded-postgres.ts');
const { applyMigrations } = await import('../../src/platform/database/migrate.ts');

const PREFIX = 'novita-gpu-instances-test-';

/** One server for the run and one migrated database in it, which every test database is copied from. */
export default async function setUp(): Promise<void> {
  await removeLeftovers();
  const serverUrl = process.env['DATABASE_URL'] ?? (await startOwnServer());
  const run = `test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const templateUrl = databaseUrlOn(serverUrl, `${run}_template`);
  await applyMigrations(templateUrl);
  await closeTemplate(serverUrl, `${run}_template`);
  process.env['TEST_SERVER_URL'] = serverUrl;
  process.env['TEST_RUN'] = run;
  // Nothing but a test database may be reached by accident.
  delete process.env['DATABASE_URL'];
}

async function startOwnServer(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), PREFIX));
  // The user that Postgres runs as under root has to enter it.
  await chmod(directory, 0o755);
  await writeFile(join(directory, 'pid'), String(process.pid));
  process.env['TEST_SERVER_DIRECTORY'] = directory;
  return (await startPostgres(directory, { durable: false })).url;
}

/** A copy is refused while anybody is connected to the original, so nobody may connect. */
async function closeTemplate(serverUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(`ALTER DATABASE ${client.escapeIdentifier(name)} ALLOW_CONNECTIONS false`);
  await client.end();
}

/** What test runs that were killed left on this machine. */
async function removeLeftovers(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const directory = join(tmpdir(), name);
    if (await isInUse(directory)) continue;
    // Another user's leftovers are for that user to remove.
    await removePostgres(directory).catch(() => undefined);
  }
}

async function isInUse(directory: string): Promise<boolean> {
  const pid = Number(await readFile(join(directory, 'pid'), 'utf8').catch(() => '0'));
  if (pid === 0) return Date.now() - (await stat(directory)).mtimeMs < 60_000;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
