import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const ANCESTOR_CHECK_MS = 300;
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
  const fields = readStat(pid);
  return fields === null || fields[0] === 'Z' ? null : fields[19];
}

/** Null everywhere but on Linux. */
function parentOf(pid) {
  return readStat(pid)?.[1] ?? null;
}

/** The fields of /proc/PID/stat from the state on; the name before it may hold anything. */
function readStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
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

/**
 * From now on a signal does not end us; the first one is remembered and handed to `forward`. `wasKilled` tells that
 * the end was not asked for: npm, which started us, was killed.
 */
export function catchSignals() {
  const caught = { first: null, wasKilled: false, forward: () => undefined };
  const take = (signal) => {
    if (caught.first !== null) return;
    caught.first = signal;
    caught.forward(signal);
  };
  for (const name of FORWARDED) process.on(name, take);
  if (process.env.npm_lifecycle_event === undefined) return caught;
  watchAncestors((wasKilled) => {
    caught.wasKilled = wasKilled;
    take('SIGTERM');
  });
  return caught;
}

/**
 * Between npm and us stands a shell. npm hands its signals to that shell, which dies of them without a word; of a npm
 * that was killed it does not even learn.
 */
function watchAncestors(onGone) {
  const shell = process.ppid;
  const npm = parentOf(shell);
  const timer = setInterval(() => {
    const isShellGone = process.ppid !== shell;
    if (!isShellGone && parentOf(shell) === npm) return;
    clearInterval(timer);
    onGone(!isShellGone);
  }, ANCESTOR_CHECK_MS);
  timer.unref();
}

/** The exit code of what was told to stop: fine for a service, but a test that was cut short has shown nothing. */
export function codeOfCut(code, caught) {
  return code === 0 && caught.first !== null ? 128 + constants.signals[caught.first] : code;
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
