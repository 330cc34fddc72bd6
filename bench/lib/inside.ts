import type { Server } from './lab.ts';

/** Preloads what answers `figuresOf`. */
export const WITH_PROBE: readonly string[] = [`--import=${new URL('probe.mjs', import.meta.url).href}`];

export interface Figures {
  readonly atMs: number;
  readonly cpuMs: number;
  /** Of the event loop, since they were last taken: on the clock, and what of it was CPU time of the process itself. */
  readonly longestDelayMs: number;
  readonly longestTurnMs: number;
  readonly rssMiB: number;
  readonly heapUsedMiB: number;
}

/** What the process tells of itself. */
export async function figuresOf({ child }: Server): Promise<Figures> {
  return (await child.ask<{ figures: Figures }>({ ask: 'figures' }, 30_000)).figures;
}
