import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_MS = 10_000;
const START_MS = 60_000;
const LOOK_EVERY_MS = 10;
/** Of /proc; the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** One process of a run. It writes to a file, as it would at its user's, and ends with us. */
export class Child {
  readonly process: ChildProcess;
  readonly logPath: string;

  private constructor(process_: ChildProcess, logPath: string) {
    this.process = process_;
    this.logPath = logPath;
  }

  static spawn(args: readonly string[], env: Record<string, string>, logPath: string): Child {
    const log = openSync(logPath, 'a');
    const child = spawn(process.execPath, args, {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => process.off('exit', killWithUs));
    return new Child(child, logPath);
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`It was not started; see ${this.logPath}`);
    return pid;
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Looks for it in what the process writes. */
  async untilSays(pattern: RegExp, timeoutMs = START_MS): Promise<RegExpExecArray> {
    const giveUpAt = performance.now() + timeoutMs;
    for (;;) {
      const text = readFileSync(this.logPath, 'utf8');
      const found = pattern.exec(text);
      if (found !== null) return found;
      if (this.hasEnded || performance.now() > giveUpAt)
        throw new Error(`It never said ${pattern}:\n${text.split('\n').slice(-20).join('\n')}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Sends a message and waits for the answer. */
  async ask<T>(message: object, timeoutMs: number): Promise<T> {
    this.process.send(message);
    return this.next<T>(timeoutMs);
  }

  async next<T>(timeoutMs: number): Promise<T> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const ended = new AbortController();
    const onExit = () => ended.abort(new Error(`It ended; see ${this.logPath}`));
    this.process.once('exit', onExit);
    try {
      const signal = AbortSignal.any([timeout, ended.signal]);
      const [answer] = (await once(this.process, 'message', { signal })) as [T];
      return answer;
    } finally {
      this.process.off('exit', onExit);
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.process, 'exit');
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  /** User and system time so far; null where there is no /proc. */
  cpuSeconds(): number | null {
    const fields = readProc(this.pid, 'stat');
    if (fields === null) return null;
    const [user = 0, system = 0] = fields
      .slice(fields.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return (user + system) / TICKS_PER_SECOND;
  }

  /** Resident memory; null where there is no /proc. */
  memoryBytes(): number | null {
    const fields = readProc(this.pid, 'statm');
    return fields === null ? null : Number(fields.split(' ')[1]) * PAGE_BYTES;
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}
