import type { Lab, Server } from './lab.ts';
import type { LoadResult, Wish } from './load.ts';
import { type Goal, type Figure, ratioFigure } from './figure.ts';
import { rounded } from './progress.ts';
import { alternate, type Contender } from './rounds.ts';

export interface PairOptions {
  readonly lab: Lab;
  readonly title: string;
  readonly service: () => Promise<Server>;
  readonly yardstick: () => Promise<Server>;
  /** False for those that would work on while the other one is measured, or must be new each time. */
  readonly stays?: boolean;
  readonly wish: Wish;
}

export interface PairResult {
  readonly ours: LoadResult[];
  readonly theirs: LoadResult[];
}

/** The same load on the service and on the yardstick, in turn. */
export async function loadPair({
  lab,
  title,
  service,
  yardstick,
  stays = true,
  wish,
}: PairOptions): Promise<PairResult> {
  const contender = (name: string, start: () => Promise<Server>): Contender<LoadResult> => ({
    name,
    start,
    stays,
    measure: (server) => lab.load([server.url], wish),
    tell: ({ perSecond, p50Ms, p99Ms }) =>
      `${rounded(perSecond)}/s, p50 ${rounded(p50Ms)} ms, p99 ${rounded(p99Ms)} ms`,
  });
  return alternate(title, contender('service', service), contender('yardstick', yardstick));
}

export function throughputFigure(what: string, goal: Goal | null, { ours, theirs }: PairResult): Figure {
  return ratioFigure(what, goal, ours.map(perSecond), theirs.map(perSecond), 'requests/s');
}

export function latencyFigure(what: string, goal: Goal | null, { ours, theirs }: PairResult): Figure {
  return ratioFigure(what, goal, ours.map(p99), theirs.map(p99), 'ms');
}

/** Nothing may be compared that does not answer the same, byte for byte. */
export async function requireSameAnswers(
  { service, yardstick }: Pick<PairOptions, 'service' | 'yardstick'>,
  paths: readonly string[],
): Promise<void> {
  const servers = await Promise.all([service(), yardstick()]);
  for (const path of paths) {
    const [a = '', b = ''] = await Promise.all(servers.map(async ({ url }) => (await fetch(url + path)).text()));
    if (a !== b) throw new Error(`The answers to ${path} differ:\n${a.slice(0, 2000)}\n${b.slice(0, 2000)}`);
  }
  await Promise.all(servers.map((server) => server.stop()));
}

function perSecond(result: LoadResult): number {
  return result.perSecond;
}

function p99(result: LoadResult): number {
  return result.p99Ms;
}
