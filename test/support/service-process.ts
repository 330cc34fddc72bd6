import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { DocumentJudge } from './document-judge.js';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const LEAVE = new URL('../../scripts/lib/leave-with-parent.mjs', import.meta.url).href;
const START_TIMEOUT_MS = 120_000;

let judge: DocumentJudge | null = null;

function outputOf(stream: Readable | null): Readable {
  if (stream === null) throw new Error('The service was started without pipes');
  return stream;
}

/** The built service in a process of its own, as an operator would run it; it ends with the test process. */
export class ServiceProcess {
  readonly lines: string[] = [];

  private constructor(
    readonly child: ChildProcess,
    private readonly listening: Promise<string>,
  ) {}

  url = '';

  static async start(env: Record<string, string>): Promise<ServiceProcess> {
    const service = ServiceProcess.launch(env);
    service.url = await service.listening;
    return service;
  }

  /** Does not wait until it listens; `start` does. */
  private static launch(env: Record<string, string>): ServiceProcess {
    // A test process that is killed takes the service with it: the channel between them closes.
    const child = spawn(process.execPath, ['--enable-source-maps', `--import=${LEAVE}`, MAIN], {
      env: { PATH: process.env['PATH'], PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const lines: string[] = [];
    const listening = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`The service did not start:\n${lines.slice(-20).join('\n')}`)),
        START_TIMEOUT_MS,
      );
      const read = (line: string) => {
        lines.push(line);
        const url = /"url":"(http:[^"]+)".*"msg":"listening"/.exec(line)?.[1];
        if (url !== undefined) {
          clearTimeout(timer);
          resolve(url);
        }
      };
      createInterface({ input: outputOf(child.stdout) }).on('line', read);
      createInterface({ input: outputOf(child.stderr) }).on('line', read);
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`The service ended with ${code}:\n${lines.slice(-20).join('\n')}`));
      });
    });
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => process.off('exit', killWithUs));
    const service = new ServiceProcess(child, listening);
    Object.assign(service, { lines });
    return service;
  }

  async get<T>(path: string, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.send<T>('GET', path, undefined, headers);
  }

  async post<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.send<T>('POST', path, body, headers);
  }

  /** @throws when the answer is not what the API document says of it. */
  async send<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    judge ??= DocumentJudge.ofReviewed();
    judge.uphold({ method, path, status: answer.status, headers: answer.headers, text });
    return {
      status: answer.status,
      headers: answer.headers,
      body: (isJson(answer) && text !== '' ? JSON.parse(text) : null) as T,
    };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
  }
}

function isJson(answer: Response): boolean {
  return answer.headers.get('content-type')?.startsWith('application/json') ?? false;
}
