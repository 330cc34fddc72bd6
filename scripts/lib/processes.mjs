import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Everything has to be gone 10 s after Ctrl-C; what comes after the child needs about one. */
const CHILD_STOP_MS = 8_500;

/** A process by number and start, because a number alone is given to others later. */
export function identityOf(pid) {
  return { pid, startedAt: startOf(pid) ?? '' };
}

export function isAlive({ pid, startedAt }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM' && startOf(pid) === startedAt;
  }
  return process.platform !== 'linux' || startOf(pid) === startedAt;
}

/** In clock ticks since boot; null for a process that is gone, and everywhere but on Linux. */
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : rest[18];
  } catch {
    return null;
  }
}

export async function hasEnded(identity, timeoutMs) {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(identity)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** From now on a signal does not end us; the first one is remembered and handed to `forward`. */
export function catchSignals() {
  const caught = { first: null, forward: () => undefined };
  for (const name of FORWARDED) {
    process.on(name, (signal) => {
      if (caught.first !== null) return;
      caught.first = signal;
      caught.forward(signal);
    });
  }
  return caught;
}

/**
 * Runs a program in the foreground: it gets our terminal and our signals, and resolves to the exit code to end with.
 * A child that loads leave-with-parent.mjs ends when we are killed.
 */
export async function runInForeground(program, args, { env = process.env, caught = catchSignals() } = {}) {
  if (caught.first !== null) return 0;
  const child = spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  caught.forward = (signal) => {
    child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), CHILD_STOP_MS).unref();
  };
  const [code, signal] = await new Promise((done, fail) =>
    child.once('error', fail).once('exit', (...result) => done(result)),
  );
  if (code !== null) return code;
  return signal === caught.first ? 0 : 128 + constants.signals[signal];
}
