import type { Desired } from '../../instances/domain/instance.js';
import type { BillingMode, MachineStatus, SpotStatus } from '../../novita/novita-client.js';
import { addMs } from '../../platform/clock.js';

/** What upstream shows of a machine: from the listing, or from its own record. */
export interface Observation {
  readonly status: MachineStatus | 'absent';
  readonly spotStatus: SpotStatus;
  readonly reclaimAt: Date | null;
  readonly seenAt: Date;
}

/** What our own rows say about it. */
export interface Records {
  readonly desired: Desired;
  /** Set when this service or its user asked for a stop since the machine was last wanted. */
  readonly stopRequestedAt: Date | null;
  readonly billingMode: BillingMode;
  /** A reclaim time before this belongs to an earlier life of the machine. */
  readonly startedAt: Date;
  /** When a notice that names no time is over at the latest. */
  readonly noticeEndsAt: Date | null;
  /** Since when a migration that we asked for is under way. */
  readonly ourMigrationSince: Date | null;
}

export type Doubt =
  | 'unreadable'
  | 'in-transition'
  | 'being-reclaimed'
  | 'exited-before-its-announced-time'
  | 'runs-though-terminated'
  | 'spot-fields-on-an-on-demand-machine';

export type Situation =
  | { readonly kind: 'steady' }
  | { readonly kind: 'notice'; readonly deadline: Date; readonly isAssumed: boolean }
  | { readonly kind: 'reclaimed' }
  /** Gone without our doing, and nothing says that it was a reclaim. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'stopped-by-user' }
  | { readonly kind: 'stopped-by-us' }
  | { readonly kind: 'migrating-for-us' }
  | { readonly kind: 'migrating-by-itself' }
  | { readonly kind: 'gone' }
  /** Look again: nothing is bought, started or moved on it. */
  | { readonly kind: 'unknown'; readonly because: Doubt };

/** A notice without a time was seen in the wild; the announced hour is then the most there can be. */
export const NOTICE_MS = 3_600_000;

/** What became of a machine. Upstream's `exited` does not say why, so its spot fields count only together with our own records. */
export function classify(seen: Observation | 'unreadable', records: Records): Situation {
  if (seen === 'unreadable') return unknown('unreadable');
  const contradiction = contradictionOf(seen, records);
  switch (seen.status) {
    case 'absent':
    case 'removing':
    case 'removed':
      return { kind: 'gone' };
    case 'migrating':
      return { kind: records.ourMigrationSince === null ? 'migrating-by-itself' : 'migrating-for-us' };
    case 'running':
      return contradiction ?? classifyRunning(seen, records);
    case 'exited':
      return stopped(records) ?? contradiction ?? classifyExited(seen, records);
    case 'creating':
    case 'pulling':
    case 'starting':
    case 'stopping':
    case 'restarting':
    case 'other':
      return unknown('in-transition');
  }
}

function contradictionOf({ spotStatus }: Observation, { billingMode }: Records): Situation | null {
  const isSpotOnly = spotStatus !== '' && spotStatus !== 'running';
  return billingMode === 'onDemand' && isSpotOnly ? unknown('spot-fields-on-an-on-demand-machine') : null;
}

/** The user's wish comes before whatever the provider did in the same second. */
function stopped({ desired, stopRequestedAt }: Records): Situation | null {
  if (desired !== 'running') return { kind: 'stopped-by-user' };
  return stopRequestedAt === null ? null : { kind: 'stopped-by-us' };
}

function classifyRunning({ spotStatus, reclaimAt, seenAt }: Observation, records: Records): Situation {
  const isStale = reclaimAt !== null && reclaimAt <= records.startedAt;
  if (spotStatus === '' || spotStatus === 'running' || isStale) return { kind: 'steady' };
  if (spotStatus === 'terminated') return unknown('runs-though-terminated');
  if (reclaimAt !== null) return { kind: 'notice', deadline: reclaimAt, isAssumed: false };
  const deadline = spotStatus === 'reclaiming' ? seenAt : addMs(seenAt, NOTICE_MS);
  return { kind: 'notice', deadline, isAssumed: true };
}

function classifyExited(
  { spotStatus, reclaimAt, seenAt }: Observation,
  { startedAt, noticeEndsAt }: Records,
): Situation {
  const isStale = reclaimAt !== null && reclaimAt <= startedAt;
  if (isStale) return { kind: 'interrupted' };
  if (spotStatus === 'terminated') return { kind: 'reclaimed' };
  if (reclaimAt !== null && reclaimAt > seenAt) return unknown('exited-before-its-announced-time');
  if (reclaimAt !== null) return { kind: 'reclaimed' };
  const isAnnounced = spotStatus === 'notified' || spotStatus === 'reclaiming';
  if (isAnnounced && noticeEndsAt !== null && noticeEndsAt <= seenAt) return { kind: 'reclaimed' };
  if (spotStatus === 'reclaiming') return unknown('being-reclaimed');
  if (spotStatus === 'notified') return unknown('exited-before-its-announced-time');
  return { kind: 'interrupted' };
}

function unknown(because: Doubt): Situation {
  return { kind: 'unknown', because };
}
