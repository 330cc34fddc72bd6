import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isProof, Proof } from '../crash/proof.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { eventually } from '../support/world.js';

const proof = new Proof('webhooks: speed');
const DELIVERIES = proof.size(1_000, 20_000);
// A tenth of the promise while other tests share the machine; the whole of it in the proof.
const AT_LEAST_PER_SECOND = isProof ? 1_000 : 50;
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

    delays.sort((a, b) => a - b);
    const p95 = delays[Math.floor(delays.length * 0.95)] ?? Number.NaN;
    proof.result({ first_attempt_p50_ms: delays[Math.floor(delays.length / 2)] ?? 0, first_attempt_p95_ms: p95 });
    expect(p95).toBeLessThanOrEqual(IDLE_P95_MS);
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

    const replica = await start(true);
    await eventually(async () => {
      proof.progress(`${arrivals.size} arrived`);
      return written.every((id) => arrivals.has(id));
    }, 240_000);
    await replica.stop();

    const times = written.map((id) => arrivals.get(id) ?? 0).toSorted((a, b) => a - b);
    const perSecond = Math.round((DELIVERIES * 1000) / ((times.at(-1) ?? 0) - (times[0] ?? 0)));
    proof.result({ deliveries: DELIVERIES, per_second: perSecond });
    expect(perSecond).toBeGreaterThanOrEqual(AT_LEAST_PER_SECOND);
  }, 600_000);
});
