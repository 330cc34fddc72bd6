import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Reply<T = Json> {
  status: number;
  body: T;
  text: string;
  headers: Headers;
}

export type Json = Record<string, unknown>;

export interface Machine {
  id: string;
  name: string;
  status: string;
  spotStatus: string;
  spotReclaimTime: string;
  gpuNum: string;
  statusError: { state: string; message: string };
  portMappings: { port: number; endpoint?: string; type: string }[];
  connectComponentSSH: { sshCommand: string; password: string; isRunning: boolean } | null;
  jobs: { id: string; type: string }[];
}

export interface LedgerRecord {
  id: string;
  name: string;
  status: string;
  pricePerHourMicros: number;
  createdAt: number;
  billing: { from: number; to: number | null }[];
  removedAt: number | null;
}

export interface LedgerReport {
  now: number;
  exists: LedgerRecord[];
  billing: LedgerRecord[];
  machines: LedgerRecord[];
  totals: { exists: number; billing: number; costMicros: number; billedSeconds: number };
}

/** One sandbox in a process of its own, spoken to over HTTP only. */
export class SandboxProcess {
  private constructor(
    private readonly child: ReturnType<typeof spawn>,
    readonly url: string,
    readonly baseUrl: string,
  ) {}

  static async start(
    env: Record<string, string> = {},
    args: string[] = ['--exit-with-parent'],
  ): Promise<SandboxProcess> {
    const main = fileURLToPath(new URL('../../sandbox/main.ts', import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', main, ...args], {
      env: { PATH: process.env['PATH'], SANDBOX_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url, baseUrl } = JSON.parse(line.toString()) as { url: string; baseUrl: string };
    return new SandboxProcess(child, url, baseUrl);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }

  /** A call of the public API. */
  async get<T = Json>(path: string): Promise<Reply<T>> {
    return read<T>(await fetch(this.baseUrl + path));
  }

  async post<T = Json>(path: string, body: unknown, signal?: AbortSignal): Promise<Reply<T>> {
    return read<T>(await fetch(this.baseUrl + path, post(body, signal)));
  }

  /** A call of the control API; a refusal is an error of the test. */
  async control<T = Json>(path: string, body?: unknown): Promise<T> {
    const reply = await fetch(`${this.url}/__sandbox${path}`, body === undefined ? {} : post(body));
    if (!reply.ok) throw new Error(`control ${path}: ${await reply.text()}`);
    return (await reply.json()) as T;
  }

  advance(seconds: number): Promise<unknown> {
    return this.control('/time', { advanceSeconds: seconds });
  }

  async create(overrides: Json = {}): Promise<string> {
    const { body } = await this.post<{ id: string }>('/gpu/instance/create', anOrder(overrides));
    return body.id;
  }

  /** A machine that has come up. */
  async createRunning(overrides: Json = {}): Promise<string> {
    const id = await this.create(overrides);
    await this.advance(10);
    return id;
  }

  async machine(id: string): Promise<Machine> {
    return (await this.get<Machine>(`/gpu/instance?instanceId=${id}`)).body;
  }

  async list(query = ''): Promise<{ instances: Machine[]; total?: string }> {
    return (await this.get<{ instances: Machine[]; total?: string }>(`/gpu/instances${query}`)).body;
  }

  ledger(query = ''): Promise<LedgerReport> {
    return this.control<LedgerReport>(`/ledger${query}`);
  }
}

export function anOrder(overrides: Json = {}): Json {
  return {
    name: 'test-machine',
    productId: '4090.16c62g',
    gpuNum: 1,
    rootfsSize: 60,
    imageUrl: 'docker.io/acme/worker:1.4',
    ports: '8888/http,22/tcp',
    clusterId: 'cn-hongkong-1',
    kind: 'gpu',
    billingMode: 'spot',
    ...overrides,
  };
}

function post(body: unknown, signal?: AbortSignal): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  };
}

async function read<T>(response: Response): Promise<Reply<T>> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, text, body: (isJson ? JSON.parse(text) : {}) as T };
}
