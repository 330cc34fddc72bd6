// Makes the load, in a process of its own: as many connections as are asked for, each with one request after the other.
import { randomUUID } from 'node:crypto';
import { Client } from 'undici';
import type { LoadPlan, LoadResult } from './load.ts';
import { percentile } from './statistics.ts';

const REQUEST_TIMEOUT_MS = 30_000;

class Measurement {
  readonly latenciesMs: number[] = [];
  failed = 0;
  bytes = 0;
  private readonly startedAt = performance.now();

  note(latencyMs: number, isGood: boolean, bytes: number): void {
    this.latenciesMs.push(latencyMs);
    this.bytes += bytes;
    if (!isGood) this.failed += 1;
  }

  result(): LoadResult {
    const { latenciesMs, failed, bytes } = this;
    const seconds = (performance.now() - this.startedAt) / 1000;
    return {
      requests: latenciesMs.length,
      failed,
      bytes,
      seconds,
      perSecond: latenciesMs.length / seconds,
      p50Ms: percentile(latenciesMs, 0.5),
      p99Ms: percentile(latenciesMs, 0.99),
    };
  }
}

/** Hands out the paths in turn, over all connections. */
class Turns {
  private next = 0;
  private readonly paths: readonly string[];
  private readonly once: boolean;

  constructor(paths: readonly string[], once: boolean) {
    this.paths = paths;
    this.once = once;
  }

  take(): string | null {
    if (this.next >= this.paths.length) {
      if (this.once) return null;
      this.next = 0;
    }
    return this.paths[this.next++] ?? null;
  }
}

async function load(plan: LoadPlan): Promise<LoadResult> {
  const clients = Array.from(
    { length: plan.connections },
    (_, index) =>
      new Client(plan.origins[index % plan.origins.length] ?? '', {
        pipelining: 1,
        headersTimeout: REQUEST_TIMEOUT_MS,
        bodyTimeout: REQUEST_TIMEOUT_MS,
      }),
  );
  try {
    const warmUp = plan.warmUpPaths ?? plan.paths;
    if (plan.warmUpSeconds > 0) await run(clients, plan, new Turns(warmUp, false), plan.warmUpSeconds);
    return await run(clients, plan, new Turns(plan.paths, plan.once ?? false), plan.seconds);
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
}

async function run(clients: Client[], plan: LoadPlan, turns: Turns, seconds: number): Promise<LoadResult> {
  const measurement = new Measurement();
  const endAt = performance.now() + seconds * 1000;
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < endAt) {
        const path = turns.take();
        if (path === null) return;
        await request(client, plan, path, measurement);
      }
    }),
  );
  return measurement.result();
}

/** Without reading the body into anything: what is measured is the server. */
function request(client: Client, plan: LoadPlan, path: string, measurement: Measurement): Promise<void> {
  const sentAt = performance.now();
  const isKeyed = plan.withIdempotencyKey === true;
  let status = 0;
  let bytes = 0;
  return new Promise((resolve) => {
    const end = (isGood: boolean) => {
      measurement.note(performance.now() - sentAt, isGood, bytes);
      resolve();
    };
    client.dispatch(
      {
        method: plan.method ?? 'GET',
        path,
        headers: { ...plan.headers, ...(isKeyed && { 'idempotency-key': randomUUID() }) },
        body: plan.body ?? null,
      },
      {
        onResponseStart: (_controller, statusCode) => void (status = statusCode),
        onResponseData: (_controller, chunk) => void (bytes += chunk.length),
        onResponseEnd: () => end(status === plan.expects),
        onResponseError: () => end(false),
      },
    );
  });
}

process.on('message', (plan: LoadPlan) => {
  load(plan).then(
    (result) => process.send?.(result),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.once('disconnect', () => process.exit(0));
