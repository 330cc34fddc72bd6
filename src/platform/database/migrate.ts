import { bindMigrationAwareSqlAdapterFactory, DriverAdapterError } from '@prisma/driver-adapter-utils';
import { PrismaPg } from '@prisma/adapter-pg';
import type { MigrationList, SchemaEngine } from '@prisma/schema-engine-wasm';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import pg from 'pg';
import { PROJECT_ROOT } from '../project-root.js';

/** A migration could not be applied; the database is as it was before that migration. */
export class MigrationFailed extends Error {}

interface Migration {
  name: string;
  sql: string;
}

/** The part that is used of what TypeScript declares in its library for browsers only. */
declare const WebAssembly: {
  instantiate(binary: Buffer, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

const MIGRATIONS = join(PROJECT_ROOT, 'prisma', 'migrations');
/** One replica migrates while the others wait; any number that nothing else in the database locks. */
const MIGRATION_LOCK = 7_201_846_535_191;
const SCRIPT_LOCK = MIGRATION_LOCK + 1;
const HISTORY = '_prisma_migrations';
const UNKNOWN_TABLE = '42P01';
const UNKNOWN_DATABASE = '3D000';
const DUPLICATE_DATABASE = ['42P04', '23505'];

/** Brings the database up to date by Prisma's rules and in Prisma's table, creating the database when it is missing. */
export async function applyMigrations(databaseUrl: string, directory = MIGRATIONS): Promise<{ applied: string[] }> {
  await ensureDatabase(databaseUrl);
  const migrations = await readMigrations(directory);
  return withClient(databaseUrl, async (client) => {
    if ((await findPending(client, migrations)).length === 0) return { applied: [] };
    // Held by the session, so it goes away with a replica that dies halfway.
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    if ((await findPending(client, migrations)).length === 0) return { applied: [] };
    await forgetInterrupted(client);
    return { applied: await runEngine(databaseUrl, directory, migrations) };
  });
}

/** Names of the migrations that this database still lacks, oldest first. */
export async function pendingMigrations(databaseUrl: string, directory = MIGRATIONS): Promise<string[]> {
  const migrations = await readMigrations(directory);
  return withClient(databaseUrl, (client) => findPending(client, migrations));
}

/** Creates the database that the URL names, when the server does not have it yet. */
export async function ensureDatabase(databaseUrl: string): Promise<void> {
  try {
    await withClient(databaseUrl, async () => undefined);
  } catch (error) {
    if (codeOf(error) !== UNKNOWN_DATABASE) throw error;
    await createDatabase(databaseUrl);
  }
}

async function createDatabase(databaseUrl: string): Promise<void> {
  const maintenance = new URL(databaseUrl);
  const name = decodeURIComponent(maintenance.pathname.slice(1));
  maintenance.pathname = '/postgres';
  await withClient(maintenance.toString(), async (client) => {
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`).catch((error: unknown) => {
      if (!DUPLICATE_DATABASE.includes(codeOf(error))) throw error;
    });
  });
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => ({ name, sql: await readFile(join(directory, name, 'migration.sql'), 'utf8') })),
  );
}

/** Whatever is not plainly applied, unchanged and finished is left for Prisma's engine to judge. */
async function findPending(client: pg.Client, migrations: Migration[]): Promise<string[]> {
  const applied = await readApplied(client);
  return migrations.filter(({ name, sql }) => applied.get(name) !== checksumOf(sql)).map(({ name }) => name);
}

async function readApplied(client: pg.Client): Promise<Map<string, string>> {
  try {
    const { rows } = await client.query<{ name: string; checksum: string }>(
      `SELECT migration_name AS name, checksum FROM ${HISTORY}
       WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
    );
    return new Map(rows.map(({ name, checksum }) => [name, checksum]));
  } catch (error) {
    if (codeOf(error) === UNKNOWN_TABLE) return new Map();
    throw error;
  }
}

function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

/** A replica that was killed halfway leaves a row that neither finished nor failed, and nothing else. */
async function forgetInterrupted(client: pg.Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [SCRIPT_LOCK]);
  await client.query('SELECT pg_advisory_unlock($1)', [SCRIPT_LOCK]);
  await client
    .query(
      `UPDATE ${HISTORY} SET rolled_back_at = now()
       WHERE finished_at IS NULL AND rolled_back_at IS NULL AND logs IS NULL AND applied_steps_count = 0`,
    )
    .catch((error: unknown) => {
      if (codeOf(error) !== UNKNOWN_TABLE) throw error;
    });
}

async function runEngine(databaseUrl: string, directory: string, migrations: Migration[]): Promise<string[]> {
  const schema = new URL(databaseUrl).searchParams.get('schema');
  const pool = new pg.Pool({ connectionString: databaseUrl });
  const adapter = new WholeScripts(pool, schema === null ? undefined : { schema });
  const engine = await createEngine(bindMigrationAwareSqlAdapterFactory(adapter));
  try {
    const filters = { externalTables: [], externalEnums: [] };
    const migrationsList = await toMigrationList(directory, migrations);
    return (await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames;
  } catch (error) {
    throw new MigrationFailed(error instanceof Error ? error.message : String(error), { cause: error });
  } finally {
    engine.free();
    await pool.end();
  }
}

/**
 * The adapter's own way cuts a script at every semicolon, also inside comments, strings and functions. Sent whole, it
 * is what the native engine sends, and Postgres applies all of it or nothing.
 */
class WholeScripts extends PrismaPg {
  override async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      await adapter.underlyingDriver().query(withProof(script)).catch(throwForEngine);
    };
    return adapter;
  }
}

/**
 * Lets the script's own transaction say that it is done, so that an unfinished row means: nothing of it was applied.
 * The lock lasts as long as the script, also when the process that sent it is gone before Postgres has noticed.
 */
function withProof(script: string): string {
  // Such a statement cannot share a transaction; Prisma's rules ask for a migration of its own for it.
  if (/\bconcurrently\b/i.test(script) || !script.includes(';')) return script;
  return `SELECT pg_advisory_xact_lock(${SCRIPT_LOCK});
${script};
UPDATE ${HISTORY} SET finished_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL AND logs IS NULL;`;
}

function throwForEngine(error: unknown): never {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const { code = '', severity = 'ERROR', message, detail, column, hint } = error;
  throw new DriverAdapterError({ kind: 'postgres', code, severity, message, detail, column, hint });
}

async function toMigrationList(baseDir: string, migrations: Migration[]): Promise<MigrationList> {
  const lockfile = 'migration_lock.toml';
  const content = await readFile(join(baseDir, lockfile), 'utf8').catch(() => null);
  return {
    baseDir,
    lockfile: { path: lockfile, content },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  };
}

async function createEngine(adapter: object): Promise<SchemaEngine> {
  // The bindings know one instance only, and what an earlier engine left pending would answer to the wrong one.
  loadedEngine ??= loadEngine();
  return (await loadedEngine).SchemaEngine.new({ datamodels: undefined }, () => undefined, adapter);
}

let loadedEngine: Promise<EngineBindings> | undefined;

/** The package's own entry imports the .wasm file as a module, which Node does behind a warning and Jest not at all. */
async function loadEngine(): Promise<EngineBindings> {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bindings = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as unknown as EngineBindings;
  const binary = await readFile(path.replace(/\.js$/, '.wasm'));
  const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': withIdleTimers(bindings) });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
  return bindings;
}

/** The engine leaves a timer of 10 s behind, which would hold up the end of the process. */
function withIdleTimers(bindings: EngineBindings): object {
  const names = Object.keys(bindings).filter((name) => name.startsWith('__wbg_setTimeout'));
  const startTimer = (callback: () => void, delayMs: number) => setTimeout(callback, delayMs).unref();
  return { ...bindings, ...Object.fromEntries(names.map((name) => [name, startTimer])) };
}

interface EngineBindings {
  __wbg_set_wasm(exports: object): void;
  SchemaEngine: typeof SchemaEngine;
}

async function withClient<T>(databaseUrl: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'migrate' });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
