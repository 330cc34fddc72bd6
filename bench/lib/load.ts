import { Child } from './child.ts';
import { at } from './project.ts';
import { CONNECTIONS, SECONDS, WARM_UP_REQUESTS, WARM_UP_SECONDS } from './settings.ts';

const PATIENCE_MS = 60_000;
/** Part of the requests. A service that is asked for more than it can do says 503 to some; they do not count as done. */
const BEARABLE_FAILURES = 0.05;

export interface LoadPlan {
  /** Connections are dealt out to them in turn. */
  readonly origins: readonly string[];
  readonly paths: readonly string[];
  /** Each path one time; the load ends early when none is left. */
  readonly once?: boolean;
  /** What is asked for while warming up, where that must be something else. */
  readonly warmUpPaths?: readonly string[];
  readonly method?: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** A new one for each request. */
  readonly withIdempotencyKey?: boolean;
  /** Any other status is a failed request. */
  readonly expects: number;
  readonly connections: number;
  /** At least; 0 for none. */
  readonly warmUpSeconds: number;
  readonly warmUpRequests: number;
  readonly seconds: number;
}

/** What the worker saw. */
export interface WorkerResult {
  readonly requests: number;
  readonly failed: number;
  /** Of the first that failed. */
  readonly failure: string | null;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type Wish = Pick<LoadPlan, 'paths'> & Partial<Omit<LoadPlan, 'origins'>>;

/** What is put under load, with the process that its CPU time is read from. */
export interface Target {
  readonly url: string;
  readonly child: Child;
}

export interface LoadResult extends WorkerResult {
  /** Of all targets together; what others do on the machine changes it little. */
  readonly cpuMicrosPerRequest: number;
}

/** Load from one process, against one or several servers of the same kind. @throws when an answer was not the expected one */
export async function putUnderLoad(targets: readonly Target[], wish: Wish, logPath: string): Promise<LoadResult> {
  const plan: LoadPlan = {
    expects: 200,
    connections: CONNECTIONS,
    warmUpSeconds: WARM_UP_SECONDS,
    warmUpRequests: WARM_UP_REQUESTS,
    seconds: SECONDS,
    ...wish,
    origins: targets.map(({ url }) => url),
  };
  const worker = Child.spawn([at('bench/lib/load-worker.ts')], {}, logPath);
  const withinMs = (plan.warmUpSeconds + plan.seconds) * 1000 + PATIENCE_MS;
  const cpuSeconds = () => targets.reduce((sum, { child }) => sum + (child.cpuSeconds() ?? Number.NaN), 0);
  try {
    await worker.ask<{ begins: true }>(plan, withinMs);
    const before = cpuSeconds();
    const result = await worker.next<WorkerResult>(withinMs);
    const { requests, failed, failure } = result;
    if (failed > requests * BEARABLE_FAILURES) throw new Error(`${failed} of ${requests} requests failed: ${failure}`);
    return { ...result, cpuMicrosPerRequest: ((cpuSeconds() - before) * 1e6) / requests };
  } finally {
    await worker.stop();
  }
}
