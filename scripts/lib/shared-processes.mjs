import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from './lock.mjs';
import { hasEnded, identityOf, isAlive } from './processes.mjs';
import { at, pinnedNode, setting } from './project.mjs';

const SANDBOX_PORT = '3999';
const SANDBOX_START_MS = 20_000;
const SANDBOX_STOP_MS = 2_000;

/**
 * Postgres and the sandbox are shared by every replica that was started in this clone. They outlive the one that
 * started them, and the last replica to leave ends them. A replica that was killed is not counted.
 */
export async function joinShared(dataDir, { wantsPostgres, wantsSandbox }) {
  return withLock(join(dataDir, 'lock'), async () => {
    enter(dataDir);
    try {
      const [postgres, sandbox] = await Promise.all([
        wantsPostgres ? startPostgres(dataDir) : null,
        wantsSandbox ? findOrStartSandbox(dataDir) : null,
      ]);
      return { postgres, sandbox };
    } catch (error) {
      await leave(dataDir);
      throw error;
    }
  });
}

export async function leaveShared(dataDir) {
  await withLock(join(dataDir, 'lock'), () => leave(dataDir));
}

async function leave(dataDir) {
  rmSync(ticketOf(dataDir, process.pid), { force: true });
  if (countReplicas(dataDir) > 0) return;
  const { stopPostgres } = await loadPostgres();
  await Promise.all([stopSandbox(dataDir), stopPostgres(dataDir)]);
}

function enter(dataDir) {
  mkdirSync(join(dataDir, 'replicas'), { recursive: true });
  writeFileSync(ticketOf(dataDir, process.pid), JSON.stringify(identityOf(process.pid)));
}

function ticketOf(dataDir, pid) {
  return join(dataDir, 'replicas', String(pid));
}

function countReplicas(dataDir) {
  const tickets = readdirSync(join(dataDir, 'replicas')).map((pid) => ticketOf(dataDir, pid));
  const dead = tickets.filter((ticket) => !isAlive(readJson(ticket) ?? { pid: 0 }));
  for (const ticket of dead) rmSync(ticket, { force: true });
  return tickets.length - dead.length;
}

async function startPostgres(dataDir) {
  const { startPostgres: start } = await loadPostgres();
  return start(dataDir);
}

/** Only there after the build, which is why it is not imported above. */
function loadPostgres() {
  return import(at('dist', 'platform', 'database', 'embedded-postgres.js'));
}

async function findOrStartSandbox(dataDir) {
  const known = readJson(sandboxFile(dataDir));
  if (known !== null && isAlive(known.process)) return { ...known, started: false };
  const wanted = setting('SANDBOX_PORT');
  const first = wanted ?? (known === null ? SANDBOX_PORT : new URL(known.url).port);
  const found =
    (await startSandbox(dataDir, first)) ?? (wanted === undefined ? await startSandbox(dataDir, '0') : null);
  if (found === null) throw new Error(`The sandbox did not start; see ${join(dataDir, 'sandbox.log')}`);
  writeFileSync(sandboxFile(dataDir), JSON.stringify(found, null, 2));
  return { ...found, started: true };
}

function sandboxFile(dataDir) {
  return join(dataDir, 'sandbox.json');
}

/** Null when the sandbox ended at once, as it does when its port is taken. */
async function startSandbox(dataDir, port) {
  const logPath = join(dataDir, 'sandbox.log');
  const log = openSync(logPath, 'w');
  const env = { ...process.env, SANDBOX_PORT: port };
  const child = spawn(pinnedNode(), [at('sandbox', 'main.ts')], { stdio: ['ignore', log, log], env, detached: true });
  closeSync(log);
  child.unref();
  let ended = false;
  child.once('error', () => (ended = true)).once('exit', () => (ended = true));
  const deadline = Date.now() + SANDBOX_START_MS;
  while (!ended && Date.now() < deadline) {
    const said = findAddress(logPath);
    if (said !== null) return { process: identityOf(child.pid), url: said.url, baseUrl: said.baseUrl };
    await sleep(10);
  }
  if (!ended) child.kill('SIGKILL');
  return null;
}

/** The line of JSON that the sandbox prints when it listens. */
function findAddress(logPath) {
  const lines = readFileSync(logPath, 'utf8').split('\n').slice(0, -1);
  const line = lines.find((candidate) => candidate.startsWith('{"sandbox":'));
  return line === undefined ? null : JSON.parse(line);
}

async function stopSandbox(dataDir) {
  const known = readJson(sandboxFile(dataDir));
  if (known === null || !isAlive(known.process)) return;
  process.kill(known.process.pid, 'SIGTERM');
  if (!(await hasEnded(known.process, SANDBOX_STOP_MS))) process.kill(known.process.pid, 'SIGKILL');
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
