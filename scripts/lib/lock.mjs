import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, isAlive } from './processes.mjs';

const POLL_MS = 50;
const SAY_AFTER_MS = 1_500;
/** Long enough for the removal of one file; a remover that died is then stepped over. */
const REMOVER_LIMIT_MS = 5_000;

/** Runs `work` while no other process runs work under the same lock; a lock whose holder died is taken over. */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  await take(path);
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

async function take(path) {
  const began = Date.now();
  let hasSaid = false;
  while (!tryToTake(path)) {
    const holder = readHolder(path);
    if (holder !== null && !isAlive(holder)) removeDead(path, holder);
    if (holder !== null && !hasSaid && Date.now() - began > SAY_AFTER_MS) {
      console.log(`waiting for process ${holder.pid}, which is setting up here …`);
      hasSaid = true;
    }
    await sleep(POLL_MS);
  }
}

/** A link appears at once and with its content, so nobody ever reads a lock without a holder. */
function tryToTake(path) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify(identityOf(process.pid)));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

function readHolder(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** Of several that wait, one removes the dead holder's lock: a second remover could hit the lock of its successor. */
function removeDead(path, holder) {
  const remover = `${path}.remover`;
  try {
    mkdirSync(remover);
  } catch {
    if (ageOf(remover) > REMOVER_LIMIT_MS) rmSync(remover, { recursive: true, force: true });
    return;
  }
  const current = readHolder(path);
  if (current?.pid === holder.pid && current.startedAt === holder.startedAt) rmSync(path, { force: true });
  rmSync(remover, { recursive: true, force: true });
}

function ageOf(path) {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}
