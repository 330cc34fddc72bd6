import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { findPlace, giveTo, homeOf, type Place } from './postgres-place.js';
import { findPrograms } from './postgres-programs.js';

/** A Postgres server of our own that runs on this machine, reachable on 127.0.0.1 only. */
export interface EmbeddedPostgres {
  /** Of the maintenance database; `databaseUrlOn` names another. */
  url: string;
  port: number;
  pid: number;
  /** Data, log and password. */
  home: string;
  /** False when a server that was already running was found. */
  started: boolean;
  /** Why `home` is not below the data directory that was asked for; null when it is. */
  movedBecause: string | null;
}

export interface EmbeddedPostgresOptions {
  /** Off for test data only: then a power cut may lose what was committed. Default on. */
  durable?: boolean;
}

const SUPERUSER = 'postgres';
const MAINTENANCE_DATABASE = 'postgres';
/** Crash recovery replays the log before the server answers; that takes as long as it takes. */
const START_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
/** A port can be taken between our look and the server's bind. */
const START_ATTEMPTS = 5;
const LOG_LIMIT_BYTES = 10_000_000;

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  // A socket path may not exceed 107 bytes, and a clone can lie deeper than that.
  unix_socket_directories: '',
  max_connections: '200',
  max_wal_size: '256MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
};
const TEST_DATA_SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/**
 * Finds the server of this data directory, or starts it. The server does not end with this process.
 * Two callers at once must be kept apart by a lock around this call and `stopPostgres`.
 */
export async function startPostgres(dataDir: string, options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const place = await findPlace(dataDir);
  const durable = options.durable ?? true;
  const running = findRunning(place.home);
  if (running === null) await initialise(place, durable);
  const { pid, port } = running ?? (await launch(place, durable));
  const url = `postgresql://${SUPERUSER}:${await readPassword(place.home)}@127.0.0.1:${port}/${MAINTENANCE_DATABASE}`;
  await untilReady(url, pid, place.home);
  return { url, port, pid, home: place.home, started: running === null, movedBecause: place.movedBecause };
}

/** Ends the server of this data directory, if one runs; open transactions are rolled back, nothing committed is lost. */
export async function stopPostgres(dataDir: string): Promise<void> {
  const home = await homeOf(await realpath(dataDir).catch(() => dataDir));
  const running = home === null ? null : findRunning(home);
  if (home === null || running === null) return;
  process.kill(running.pid, 'SIGINT');
  if (await hasEnded(running.pid, home)) return;
  process.kill(running.pid, 'SIGQUIT');
  await hasEnded(running.pid, home);
}

/** Ends the server of this data directory and deletes the directory with everything in it, wherever the data lies. */
export async function removePostgres(dataDir: string): Promise<void> {
  await stopPostgres(dataDir);
  const home = await homeOf(await realpath(dataDir).catch(() => dataDir));
  if (home !== null) await rm(home, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}

/** The same server and user, another database. */
export function databaseUrlOn(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.toString();
}

async function initialise(place: Place, durable: boolean): Promise<void> {
  const data = join(place.home, 'data');
  if (existsSync(join(data, 'PG_VERSION'))) return;
  await makeHome(place);
  // Renamed at the end: what an interrupted first start leaves behind is never taken for a database.
  const unfinished = join(place.home, 'data.unfinished');
  await rm(unfinished, { recursive: true, force: true });
  const passwordFile = join(place.home, 'password.new');
  const password = randomBytes(24).toString('hex');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await giveTo(place.account, passwordFile);
  await run(place, 'initdb', [
    `--pgdata=${unfinished}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...(durable ? [] : ['--no-sync']),
  ]);
  await rename(passwordFile, passwordPath(place.home));
  await rename(unfinished, data);
}

async function makeHome({ home, account }: Place): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await giveTo(account, home);
}

function passwordPath(home: string): string {
  return join(home, 'password');
}

async function readPassword(home: string): Promise<string> {
  try {
    return (await readFile(passwordPath(home), 'utf8')).trim();
  } catch (cause) {
    throw new Error(`The database in ${home} belongs to another user: start as that user or set DATA_DIR`, { cause });
  }
}

/** Runs one of the server's programs to its end. */
async function run(place: Place, program: string, args: string[]): Promise<void> {
  const child = spawn(join(await findPrograms(place.account), program), args, {
    ...processOptions(place),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  if (code !== 0) throw new Error(`${program} failed (${code}): ${output.trim()}`);
}

function processOptions({ account, home }: Place) {
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
  return { cwd: home, env, ...(account === null ? {} : { uid: account.uid, gid: account.gid }) };
}

async function launch(place: Place, durable: boolean): Promise<{ pid: number; port: number }> {
  // No server of ours runs, but Postgres itself would trust any living process that has the old one's pid.
  await rm(join(place.home, 'data', 'postmaster.pid'), { force: true });
  const remembered = Number(await readFile(join(place.home, 'port'), 'utf8').catch(() => '0'));
  const wanted = [remembered, ...Array<number>(START_ATTEMPTS).fill(0)];
  let lastWords = '';
  for (const port of wanted) {
    const attempt = await launchOn(place, await freePort(port), durable);
    if (attempt.pid !== null) return { pid: attempt.pid, port: attempt.port };
    lastWords = attempt.lastWords;
    if (!lastWords.includes('could not bind')) break;
  }
  throw new Error(`Postgres did not start; the end of ${join(place.home, 'log')}:\n${lastWords}`);
}

async function launchOn(place: Place, port: number, durable: boolean) {
  const logPath = join(place.home, 'log');
  await limitLog(logPath);
  const log = openSync(logPath, 'a', 0o600);
  const settings = Object.entries(durable ? SETTINGS : { ...SETTINGS, ...TEST_DATA_SETTINGS });
  const child = spawn(
    join(await findPrograms(place.account), 'postgres'),
    [
      '-D',
      join(place.home, 'data'),
      '-p',
      String(port),
      ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...processOptions(place), detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  child.unref();
  let ended = false;
  child.once('error', () => (ended = true)).once('exit', () => (ended = true));
  await untilListening(place.home, child.pid, () => ended);
  if (ended || child.pid === undefined) {
    const lastWords = (await readFile(logPath, 'utf8')).split('\n').slice(-12).join('\n');
    return { pid: null, port, lastWords };
  }
  await writeFile(join(place.home, 'port'), String(port));
  return { pid: child.pid, port, lastWords: '' };
}

/** The server writes its last status line only after it has bound its port. */
async function untilListening(home: string, pid: number | undefined, hasEnded: () => boolean): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!hasEnded() && Date.now() < deadline) {
    const lock = readLock(home);
    if (lock !== null && lock.pid === pid && lock.status !== '') return;
    await sleep(POLL_MS);
  }
}

async function limitLog(path: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(path, `${path}.old`);
}

async function freePort(wanted: number): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', (error) => (wanted === 0 ? fail(error) : done(freePort(0))));
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address !== null ? address.port : wanted));
    });
  });
}

interface LockFile {
  pid: number;
  port: number;
  status: string;
}

/** postmaster.pid: pid, data directory, start time, port, socket directory, address, shared memory, status. */
function readLock(home: string): LockFile | null {
  try {
    const lines = readFileSync(join(home, 'data', 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]), status: lines[7]?.trim() ?? '' };
  } catch {
    return null;
  }
}

function findRunning(home: string): { pid: number; port: number } | null {
  const lock = readLock(home);
  return lock !== null && isServerOf(lock.pid, home) ? { pid: lock.pid, port: lock.port } : null;
}

/** A pid alone proves nothing: after a crash the number may belong to any other process. */
function isServerOf(pid: number, home: string): boolean {
  const commandLine =
    process.platform === 'linux'
      ? readCommandLine(pid)
      : spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout;
  return commandLine.includes('postgres') && commandLine.includes(join(home, 'data'));
}

function readCommandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

async function untilReady(url: string, pid: number, home: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const failure = await tryToConnect(url);
    if (failure === null) return;
    if (!isServerOf(pid, home) || Date.now() > deadline || isRefusal(failure))
      throw new Error(`Postgres in ${home} does not answer: ${failure.message}`, { cause: failure });
    await sleep(POLL_MS);
  }
}

async function tryToConnect(url: string): Promise<(Error & { code?: string }) | null> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Class 28 is a wrong password or user: waiting does not mend it. */
function isRefusal(error: { code?: string }): boolean {
  return error.code?.startsWith('28') ?? false;
}

/** Asks for the server and not for its pid, which an ended process keeps until its parent has noticed. */
async function hasEnded(pid: number, home: string): Promise<boolean> {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isServerOf(pid, home)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
