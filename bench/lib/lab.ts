import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { Child } from './child.ts';
import { type LoadResult, putUnderLoad, type Target, type Wish } from './load.ts';
import { say } from './progress.ts';
import { applyMigrations, at, databaseUrlOn, removePostgres, SERVICE_ARGS, startPostgres } from './project.ts';

const PREFIX = 'novita-gpu-instances-bench-';
const ANY_RATE = '1000000000';

/** What `npm start` sets, and limits that are counted as ever but never reached. */
const AS_SHIPPED: Record<string, string> = {
  // Nobody's balancer is waited for while it stops.
  SHUTDOWN_DELAY_SECONDS: '0',
  NOVITA_SANDBOX: 'true',
  RATE_LIMIT_CREATE_PER_MINUTE: ANY_RATE,
  RATE_LIMIT_STATUS_PER_MINUTE: ANY_RATE,
  RATE_LIMIT_GENERAL_PER_HOUR: ANY_RATE,
  NODE_COMPILE_CACHE: at('.setup', 'compile-cache'),
};

export interface Server extends Target {
  stop(): Promise<void>;
}

export interface Sandbox extends Server {
  readonly baseUrl: string;
}

/** A place to measure in: a database server, and the processes that a bench starts. All of it is gone at the end. */
export class Lab {
  /** For files of a run; removed at its end. */
  readonly directory: string;
  private readonly serverUrl: string;
  private readonly run = `bench_${process.pid}`;
  private readonly children: Child[] = [];
  private databases = 0;
  private files = 0;

  private constructor(directory: string, serverUrl: string) {
    this.directory = directory;
    this.serverUrl = serverUrl;
  }

  static async open(): Promise<Lab> {
    await removeLeftovers();
    const directory = await mkdtemp(join(tmpdir(), PREFIX));
    // The user that Postgres runs as under root has to enter it.
    await chmod(directory, 0o755);
    await writeFile(join(directory, 'pid'), String(process.pid));
    const given = process.env['DATABASE_URL'];
    say(given === undefined ? 'starting a database server' : 'using the server of DATABASE_URL');
    const lab = new Lab(directory, given ?? (await startPostgres(directory)).url);
    await applyMigrations(lab.urlOf(lab.templateName));
    return lab;
  }

  /** A migrated database; with `like` a copy of another one, byte for byte, to which nobody may be connected. */
  async database(like: string | null = null): Promise<string> {
    const name = `${this.run}_${(this.databases += 1)}`;
    const template = like === null ? this.templateName : new URL(like).pathname.slice(1);
    await this.onServer(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
    return this.urlOf(name);
  }

  /** The built service. `env` goes before what `npm start` would set. */
  async service(
    databaseUrl: string,
    sandbox: Sandbox,
    env: Record<string, string> = {},
    nodeArgs: readonly string[] = [],
  ): Promise<Server> {
    const watch = new URL('../../scripts/lib/leave-with-parent.mjs', import.meta.url).href;
    const args = [...profiling(), ...nodeArgs, ...SERVICE_ARGS, `--import=${watch}`, at('dist/main.js')];
    const child = this.spawn(args, {
      ...AS_SHIPPED,
      PORT: '0',
      DATABASE_URL: databaseUrl,
      NOVITA_SANDBOX_URL: sandbox.url,
      NOVITA_API_BASE_URL: sandbox.baseUrl,
      ...env,
    });
    const [, url = ''] = await child.untilSays(/"url":"(http:[^"]+)".*"msg":"listening"/);
    return serverOf(child, url);
  }

  async yardstick(databaseUrl: string): Promise<Server> {
    const child = this.spawn([at('bench/yardstick/server.ts')], { DATABASE_URL: databaseUrl });
    const { url } = await child.next<{ url: string }>(10_000);
    return serverOf(child, url);
  }

  async sandbox(env: Record<string, string> = {}): Promise<Sandbox> {
    const child = this.spawn([at('sandbox/main.ts'), '--exit-with-parent'], { SANDBOX_PORT: '0', ...env });
    const [, url = '', baseUrl = ''] = await child.untilSays(
      /\{"sandbox":"listening","url":"([^"]+)","baseUrl":"([^"]+)"\}/,
    );
    return { ...serverOf(child, url), baseUrl };
  }

  /** Any other program of a bench; it is given an IPC channel and must end when that closes. */
  spawn(args: readonly string[], env: Record<string, string> = {}): Child {
    const child = Child.spawn(['--disable-warning=ExperimentalWarning', ...args], env, this.newFile());
    this.children.push(child);
    return child;
  }

  load(targets: readonly Target[], wish: Wish): Promise<LoadResult> {
    return putUnderLoad(targets, wish, this.newFile());
  }

  async query<T extends pg.QueryResultRow>(databaseUrl: string, text: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      return (await client.query<T>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async serverVersion(): Promise<string> {
    const [row] = await this.query<{ version: string }>(
      this.serverUrl,
      `SELECT current_setting('server_version') AS version`,
    );
    return row?.version ?? 'unknown';
  }

  async close(): Promise<void> {
    await Promise.all(this.children.map((child) => child.stop()));
    if (process.env['DATABASE_URL'] !== undefined) await this.dropDatabases();
    await removePostgres(this.directory);
  }

  private get templateName(): string {
    return `${this.run}_0`;
  }

  private urlOf(name: string): string {
    return databaseUrlOn(this.serverUrl, name);
  }

  private newFile(): string {
    return join(this.directory, `${(this.files += 1)}.log`);
  }

  private async dropDatabases(): Promise<void> {
    const names = Array.from({ length: this.databases + 1 }, (_, index) => `${this.run}_${index}`);
    for (const name of names) await this.onServer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  }

  private async onServer(statement: string): Promise<void> {
    await this.query(this.serverUrl, statement);
  }
}

/** Each service writes what it spent its time on when it ends. */
function profiling(): string[] {
  const { BENCH_PROFILE: directory } = process.env;
  return directory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${directory}`];
}

function serverOf(child: Child, url: string): Server {
  return { url, child, stop: () => child.stop() };
}

/** What runs that were killed left on this machine. */
async function removeLeftovers(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  for (const directory of names.map((name) => join(tmpdir(), name))) {
    const pid = Number(await readFile(join(directory, 'pid'), 'utf8').catch(() => '0'));
    // Another user's leftovers are for that user to remove.
    if (!isAlive(pid)) await removePostgres(directory).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
