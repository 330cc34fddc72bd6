import { SandboxProcess } from '../sandbox/sandbox-process.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { ServiceProcess } from './service-process.js';

export interface WorldOptions {
  readonly replicas?: number;
  readonly env?: Record<string, string>;
  /** Virtual seconds that pass in the sandbox in one real second. */
  readonly speed?: number;
  /** Another database than a new one on the run's own server. */
  readonly database?: TestDatabase;
}

/** Short times, wide limits: what a test does not speak of must not hold it up. */
export const QUICK: Record<string, string> = {
  LOG_LEVEL: 'info',
  LIFECYCLE_POLL_SECONDS: '0.25',
  NOVITA_REQUESTS_PER_MINUTE: '60000',
  NOVITA_TIMEOUT_SECONDS: '3',
  NOVITA_CREATE_TIMEOUT_SECONDS: '3',
  VISIBILITY_WINDOW_SECONDS: '2',
  ORPHAN_GRACE_SECONDS: '1',
  RATE_LIMIT_ENABLED: 'false',
  SHUTDOWN_DELAY_SECONDS: '0',
  WEBHOOK_SECRET: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
};

/** One database, one sandbox, and as many replicas of the built service as a test wants. */
export class World {
  readonly services: ServiceProcess[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly sandbox: SandboxProcess,
    private readonly env: Record<string, string>,
  ) {}

  static async start({ replicas = 1, env = {}, speed = 20, database: given }: WorldOptions = {}): Promise<World> {
    const [database, sandbox] = await Promise.all([given ?? createTestDatabase(), SandboxProcess.start()]);
    await sandbox.control('/time', { speed });
    const world = new World(database, sandbox, {
      ...QUICK,
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: sandbox.baseUrl,
      ...env,
    });
    try {
      await Promise.all(Array.from({ length: replicas }, () => world.addService()));
      return world;
    } catch (error) {
      // What was started must not outlive a test that never began.
      await world.stop();
      throw error;
    }
  }

  async addService(env: Record<string, string> = {}): Promise<ServiceProcess> {
    const service = await ServiceProcess.start({ ...this.env, ...env });
    this.services.push(service);
    return service;
  }

  get service(): ServiceProcess {
    const [first] = this.services;
    if (first === undefined) throw new Error('This world has no service');
    return first;
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop('SIGKILL')));
    await this.sandbox.stop();
    await this.database.drop();
  }
}

/** Asks again until the answer is there. @throws with what was last seen when it does not come in time. */
export async function eventually<T>(ask: () => Promise<T | null | undefined | false>, timeoutMs = 15_000): Promise<T> {
  const giveUpAt = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < giveUpAt) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(
    `It did not happen within ${timeoutMs} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  );
}
