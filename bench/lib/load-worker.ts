// Makes the load, in a process of its own: as many connections as are asked for, each with one request after the other.
import { randomUUID } from 'node:crypto';
import { Client } from 'undici';
import type { LoadPlan, WorkerResult } from './load.ts';
import { percentile } from './statistics.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const WARM_UP_PATIENCE = 10;

class Measurement {
  readonly latenciesMs: number[] = [];
  failed = 0;
  failure: string | null = null;
  bytes = 0;
  private readonly startedAt = performance.now();

  note(latencyMs: number, bytes: number, failure: string | null): void {
    this.latenciesMs.push(latencyMs);
    this.bytes += bytes;
    if (failure === null) return;
    this.failed += 1;
    this.failure ??= failure;
  }

  result(): WorkerResult {
    const { latenciesMs, failed, failure, bytes } = this;
    const seconds = (performance.now() - this.startedAt) / 1000;
    return {
      requests: latenciesMs.length,
      failed,
      failure,
      bytes,
      seconds,
      perSecond: (latenciesMs.length - failed) / seconds,
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

async function load(plan: LoadPlan): Promise<WorkerResult> {
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
    if (plan.warmUpSeconds > 0) await warm(clients, plan, new Turns(warmUp, false));
    process.send?.({ begins: true });
    return await run(clients, plan, new Turns(plan.paths, plan.once ?? false), plan.seconds);
  } finally {
    await Promise.all(clients.map((client) => client.destroy()));
  }
}

/** For some time, and until enough was asked: on a busy machine the time alone compiles nothing. */
async function warm(clients: Client[], plan: LoadPlan, turns: Turns): Promise<void> {
  const giveUpAt = performance.now() + plan.warmUpSeconds * 1000 * WARM_UP_PATIENCE;
  let requests = 0;
  while (requests < plan.warmUpRequests && performance.now() < giveUpAt)
    requests += (await run(clients, plan, turns, plan.warmUpSeconds)).requests;
}

async function run(clients: Client[], plan: LoadPlan, turns: Turns, seconds: number): Promise<WorkerResult> {
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
    const end = (failure: string | null) => {
      measurement.note(performance.now() - sentAt, bytes, failure);
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
        // Undici takes no handler without it.
        onRequestStart: () => undefined,
        onResponseStart: (_controller, statusCode) => void (status = statusCode),
        onResponseData: (_controller, chunk) => void (bytes += chunk.length),
        onResponseEnd: () => end(status === plan.expects ? null : `status ${status}`),
        onResponseError: (_controller, error) => end(error.message),
      },
    );
  });
}

process.on('message', (plan: LoadPlan) => {
  void load(plan).then((result) => process.send?.(result));
});
process.once('disconnect', () => process.exit(0));
