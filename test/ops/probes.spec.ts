import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { SandboxProcess } from '../sandbox/sandbox-process.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Relay } from '../support/relay.js';
import { ServiceProcess } from '../support/service-process.js';
import { eventually, QUICK } from '../support/world.js';

const PROBES = ['live', 'ready', 'startup'] as const;
/** A probe that takes longer is a failed one for an orchestrator. */
const PROBE_TIMEOUT_MS = 2500;
const BLOCK_MS = 5000;
/** Loaded into the service: a signal makes its event loop stand still, as an endless loop would. */
const BLOCKER = `process.on('SIGUSR2', () => { const end = Date.now() + ${BLOCK_MS}; while (Date.now() < end); })`;

type Seen = Record<(typeof PROBES)[number], number | 'silent'>;

let database: TestDatabase;
let sandbox: SandboxProcess;
let relay: Relay;
let service: ServiceProcess;

async function startService(env: Record<string, string> = {}): Promise<ServiceProcess> {
  const url = new URL(database.url);
  url.host = `127.0.0.1:${relay.port}`;
  return ServiceProcess.start({
    ...QUICK,
    DATABASE_URL: url.toString(),
    NOVITA_SANDBOX: 'true',
    NOVITA_API_BASE_URL: sandbox.baseUrl,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BLOCKER)}`,
    ...env,
  });
}

// A shared machine may be many times slower than an own one.
jest.setTimeout(120_000);

beforeAll(async () => {
  [database, sandbox] = await Promise.all([createTestDatabase(), SandboxProcess.start()]);
  const { hostname, port } = new URL(database.url);
  relay = await Relay.to(hostname, Number(port));
  service = await startService();
});
afterEach(async () => {
  relay.recover();
  await sandbox.control('/faults/clear', {});
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await relay.stop();
  await sandbox.stop();
  await database.drop();
});

async function probe(name: string): Promise<number | 'silent'> {
  try {
    const answer = await fetch(`${service.url}/health/${name}`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return 'silent';
  }
}

async function probeAll(): Promise<Seen> {
  const [live, ready, startup] = await Promise.all(PROBES.map(probe));
  return { live: live!, ready: ready!, startup: startup! };
}

async function eventuallySees(expected: Seen): Promise<void> {
  let seen: Seen | null = null;
  await eventually(async () => {
    seen = await probeAll();
    return JSON.stringify(seen) === JSON.stringify(expected);
  }, 25_000).catch(() => undefined);
  expect(seen).toEqual(expected);
}

const ALL_WELL: Seen = { live: 200, ready: 200, startup: 200 };

describe('the probes', () => {
  it('are all green when all is well', async () => {
    await eventuallySees(ALL_WELL);
  });

  it('tell a bare probe of life the same as anybody else', async () => {
    const whole = await fetch(`${service.url}/health/live`);
    const [bare] = (await once(get(`${service.url}/health/live`), 'response')) as [IncomingMessage];

    const own = { 'x-request-id': expect.any(String), date: expect.any(String), connection: expect.any(String) };
    expect(bare.headers).toEqual({ ...Object.fromEntries(whole.headers), ...own });
    expect([bare.statusCode, await json(bare)]).toEqual([whole.status, await whole.json()]);
  });

  it.each([
    ['says nothing', () => relay.fallSilent()],
    ['refuses every connection', () => relay.refuse()],
  ])('say not ready, but alive, while the database %s, and ready when it is back', async (_how, fail) => {
    await eventuallySees(ALL_WELL);

    fail();
    await eventuallySees({ live: 200, ready: 503, startup: 200 });

    relay.recover();
    await eventuallySees(ALL_WELL);
  });

  it('keep every replica in service while the upstream is down, and /health tells of it', async () => {
    await sandbox.control('/faults', { faults: [{ endpoint: '*', kind: '500-before' }] });

    const report = await eventually(async () => {
      const answer = await service.get<{ dependencies: Record<string, string> }>('/health');
      return answer.status === 503 && answer.body;
    });

    expect(report.dependencies).toMatchObject({ novitaApi: 'unhealthy', database: 'healthy' });
    expect(await probeAll()).toEqual(ALL_WELL);
  });

  it('do not answer while the event loop is blocked, so that an orchestrator restarts what stays so', async () => {
    await eventuallySees(ALL_WELL);

    service.signal('SIGUSR2');
    // The signal is handled in the next turn of the loop, which a probe must not overtake.
    await eventually(async () => (await probe('live')) === 'silent');

    await eventuallySees(ALL_WELL);
  });

  it('say not ready at once when the process is told to stop, while it still answers', async () => {
    const draining = await startService({ SHUTDOWN_DELAY_SECONDS: '3' });
    const earlier = service;
    service = draining;
    const exited = new Promise<number | null>((resolve) => draining.child.once('exit', resolve));
    await eventuallySees(ALL_WELL);

    draining.signal('SIGTERM');
    const toldAt = Date.now();
    await eventuallySees({ live: 200, ready: 503, startup: 200 });
    const answer = await draining.get('/api/instances');
    const exitCode = await exited;

    expect(answer.status).toBe(200);
    expect(answer.headers.get('connection')).toBe('close');
    expect(exitCode).toBe(0);
    expect(Date.now() - toldAt).toBeLessThan(10_000);
    service = earlier;
  });
});
