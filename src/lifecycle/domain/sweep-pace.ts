import type { Placement } from '../../instances/domain/placement.js';
import type { Settings } from '../../platform/config.js';

const PAGE = 100;
/** Listing takes at most this part of the upstream budget. */
const BUDGET_SHARE = 0.5;
const QUICK = 0.2;

export type PaceSettings = Pick<Settings, 'lifecyclePollMs' | 'novitaRequestsPerMinute'>;

/**
 * How long until the next listing: a fifth of the poll while anything comes or goes, the poll while a spot machine could be
 * taken away, three polls when all is steady; slower when so many pages would eat the budget.
 */
export function sweepPauseMs(
  live: readonly Pick<Placement, 'state' | 'billingMode' | 'seenStatus' | 'missingSince'>[],
  machines: number,
  settings: PaceSettings,
): number {
  return Math.max(affordableMs(machines, settings), settings.lifecyclePollMs * factor(live));
}

/** The pause while anything comes or goes. */
export function quickPauseMs(machines: number, settings: PaceSettings): number {
  return Math.max(affordableMs(machines, settings), settings.lifecyclePollMs * QUICK);
}

function affordableMs(machines: number, settings: PaceSettings): number {
  const pages = Math.floor(machines / PAGE) + 1;
  return (pages * 60_000) / (settings.novitaRequestsPerMinute * BUDGET_SHARE);
}

function factor(live: Parameters<typeof sweepPauseMs>[0]): number {
  if (live.some(isInTransition)) return QUICK;
  return live.some(({ billingMode }) => billingMode === 'spot') ? 1 : 3;
}

function isInTransition({ state, seenStatus, missingSince }: Parameters<typeof sweepPauseMs>[0][number]): boolean {
  if (state !== 'confirmed' || missingSince !== null) return true;
  return seenStatus !== 'running' && seenStatus !== 'exited' && seenStatus !== 'other';
}
