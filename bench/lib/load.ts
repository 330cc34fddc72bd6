import { at } from './project.ts';
import { Child } from './child.ts';
import { CONNECTIONS, SECONDS, WARM_UP_SECONDS } from './settings.ts';

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
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export type Wish = Pick<LoadPlan, 'paths'> & Partial<Omit<LoadPlan, 'origins'>>;

/** Load from one process, against one or several servers of the same kind. @throws when an answer was not the expected one */
export async function putUnderLoad(origins: readonly string[], wish: Wish, logPath: string): Promise<LoadResult> {
  const plan: LoadPlan = {
    expects: 200,
    connections: CONNECTIONS,
    warmUpSeconds: WARM_UP_SECONDS,
    seconds: SECONDS,
    ...wish,
    origins,
  };
  const worker = Child.spawn([at('bench/lib/load-worker.ts')], {}, logPath);
  try {
    const withinMs = (plan.warmUpSeconds + plan.seconds + 60) * 1000;
    const answer = await worker.ask<LoadResult | { error: string }>(plan, withinMs);
    if ('error' in answer) throw new Error(answer.error);
    if (answer.failed > 0)
      throw new Error(`${answer.failed} of ${answer.requests} requests were not answered as they should`);
    return answer;
  } finally {
    await worker.stop();
  }
}
