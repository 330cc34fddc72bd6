import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { isProof, Proof } from '../crash/proof.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { eventually } from '../support/world.js';

const proof = new Proof('webhooks: speed');
const DELIVERIES = proof.size(1_000, 20_000);
// A tenth of the promise while other tests share the machine; the whole of it in the proof.
const AT_LEAST_PER_SECOND = isProof ? 1_000 : 50;
/** A machine that is busy with something else does not manage so many bare requests either: then this part of those. */
const LEAST_PART_OF_BARE = 0.15;
/** A commit, a notification, a look at the rows and a request of its own. */
const MOST_BARE_TIMES = 8;
const BARE_REQUESTS = 4_000;
const IDLE_P95_MS = isProof ? 100 : 2_000;
const PROGRAM = fileURLToPath(new URL('../support/counting-receiver.mts', import.meta.url));

describe('the speed of delivery', () => {
  let database: TestDatabase;
  let child: ChildProcess;
  let host: string;
  const arrivals = new Map<string, number>();

  beforeAll(async () => {
    database = await createTestDatabase();
    child = fork(PROGRAM);
    host = await new Promise<string>((resolve) => {
      child.on('message', (message: { port?: number; arrived?: { id: string; at: number }[] }) => {
        if (message.port !== undefined) resolve(`127.0.0.1:${message.port}`);
        for (const { id, at } of message.arrived ?? []) arrivals.set(id, at);
      });
    });
  });

  afterAll(async () => {
    child.kill();
    await database.drop();
  });

  const start = (sends: boolean) =>
    LogReplica.start({
      databaseUrl: database.url,
      sends,
      env: { WEBHOOK_ALLOWED_HOSTS: host, DATABASE_POOL_SIZE: '10' },
    });

  it('makes the first try of a new event at once', async () => {
    const replica = await start(true);
    await replica.write('inst-warm', { webhookUrl: `http://${host}/` });
    await eventually(async () => arrivals.size === 1);
    const delays: number[] = [];

    for (let count = 0; count < 50; count += 1) {
      const { id } = await replica.write('inst-idle', { webhookUrl: `http://${host}/` });
      const committedAt = Date.now();
      const arrivedAt = await eventually(async () => arrivals.get(id));
      delays.push(Math.max(0, arrivedAt - committedAt));
    }
    await replica.stop();

    const [p50, p95] = [quantile(delays, 0.5), quantile(delays, 0.95)];
    const bareMs = quantile(await bareRequestTimes(host), 0.95);
    proof.result({ first_attempt_p50_ms: p50, first_attempt_p95_ms: p95, bare_request_p95_ms: Math.round(bareMs) });
    expect(p95).toBeLessThanOrEqual(Math.max(IDLE_P95_MS, bareMs * MOST_BARE_TIMES));
  }, 60_000);

  it(`works off ${DELIVERIES} deliveries`, async () => {
    const writer = await start(false);
    const written: string[] = [];
    while (written.length < DELIVERIES) {
      const batch = Array.from({ length: 50 }, (_, index) => `inst-${index}-${written.length % 500}`);
      const events = await Promise.all(
        batch.map((name, index) => writer.write(name, { webhookUrl: `http://${host}/${index % 10}` })),
      );
      written.push(...events.map(({ id }) => id));
      proof.progress(`${written.length} of ${DELIVERIES} deliveries written`);
    }
    await writer.stop();

    const bareBefore = await bareRequestsPerSecond(host);
    const replica = await start(true);
    await eventually(async () => {
      proof.progress(`${arrivals.size} arrived`);
      return written.every((id) => arrivals.has(id));
    }, 240_000);
    await replica.stop();

    const times = written.map((id) => arrivals.get(id) ?? 0).toSorted((a, b) => a - b);
    const perSecond = Math.round((DELIVERIES * 1000) / ((times.at(-1) ?? 0) - (times[0] ?? 0)));
    const bare = Math.min(bareBefore, await bareRequestsPerSecond(host));
    proof.result({ deliveries: DELIVERIES, per_second: perSecond, bare_requests_per_second: bare });
    expect(perSecond).toBeGreaterThanOrEqual(Math.min(AT_LEAST_PER_SECOND, bare * LEAST_PART_OF_BARE));
  }, 600_000);
});

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

async function bareRequestTimes(host: string): Promise<number[]> {
  const pool = new Pool(`http://${host}`, { connections: 1 });
  const times: number[] = [];
  for (let count = 0; count < 100; count += 1) {
    const startedAt = performance.now();
    const { body } = await pool.request({ method: 'POST', path: '/bare', body: '{}' });
    await body.dump();
    times.push(performance.now() - startedAt);
  }
  await pool.close();
  return times;
}

/** What this process and that receiver manage now, without a log, signatures or rows. */
async function bareRequestsPerSecond(host: string): Promise<number> {
  const pool = new Pool(`http://${host}`, { connections: 40 });
  const startedAt = performance.now();
  const sender = async () => {
    for (let count = 0; count < BARE_REQUESTS / 40; count += 1) {
      const { body } = await pool.request({ method: 'POST', path: '/bare', body: '{}' });
      await body.dump();
    }
  };
  await Promise.all(Array.from({ length: 40 }, sender));
  const seconds = (performance.now() - startedAt) / 1000;
  await pool.close();
  return Math.round(BARE_REQUESTS / seconds);
}
