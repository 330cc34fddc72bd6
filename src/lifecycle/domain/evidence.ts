import { isDeepStrictEqual } from 'node:util';
import type { Connection, Instance } from '../../instances/domain/instance.js';
import type { Placement } from '../../instances/domain/placement.js';
import type { MachineStatus } from '../../novita/novita-client.js';
import { addMs } from '../../platform/clock.js';
import { createSendWithinMs, type Limits } from './limits.js';

/**
 * A complete listing, begun after every moment at which the machine could still have been hidden, did not show it.
 * Silence is not absence: without such a listing the name stays claimed.
 */
export function isProvenAbsent(placement: Placement, limits: Limits): boolean {
  const { missingAt, outcomeUnknownSince } = placement;
  const lastPossibleEffect = outcomeUnknownSince ?? createdBy(placement, limits);
  return missingAt !== null && missingAt >= addMs(lastPossibleEffect, limits.visibilityWindowMs);
}

/** By when its create has taken effect or never will: the call waits for its turn, and then for its answer. */
export function createdBy({ createSentAt, createdAt }: Placement, limits: Limits): Date {
  return addMs(createSentAt ?? createdAt, createSendWithinMs(limits) + limits.createTimeoutMs);
}

/** Gone from two complete listings, and past the time in which a new machine may be hidden from them. */
export function isMissing(placement: Placement, limits: Limits): boolean {
  const { missingSince, missingAt, lastSeenAt, createSentAt, createdAt } = placement;
  const existsSince = lastSeenAt === null ? createdBy(placement, limits) : (createSentAt ?? createdAt);
  return (
    missingSince !== null &&
    missingAt !== null &&
    missingAt > missingSince &&
    missingAt >= addMs(existsSince, limits.visibilityWindowMs)
  );
}

export function hasFailed(placement: Placement): boolean {
  return placement.seenStatus === 'exited' || (placement.seenError !== null && placement.seenError !== '');
}

/** What a machine passes through on its way from running to running. */
const IN_A_RESTART: readonly (MachineStatus | null)[] = ['restarting', 'stopping', 'exited', 'starting'];

export function showsRestart(status: MachineStatus | null): boolean {
  return IN_A_RESTART.includes(status);
}

/**
 * A restart was sent, and nothing shows yet that it took effect: upstream may have refused it, lost it, or show the old status
 * still. Once the machine was seen otherwise than running its action is cleared.
 */
export function isRestartAwaited({ phase, action, actionSentAt }: Instance): boolean {
  return phase === 'restarting' && action === 'restart' && actionSentAt !== null;
}

/** Ports and passwords are others after a start; null: not known what they were before. */
export function hasNewWaysIn(before: Connection | null, now: Connection): boolean {
  return before === null || !isDeepStrictEqual(sortedWaysIn(before), sortedWaysIn(now));
}

function sortedWaysIn({ portMappings, ...rest }: Connection) {
  return {
    ...rest,
    portMappings: portMappings.map(({ port, type, endpoint }) => `${port} ${type} ${endpoint}`).sort(),
  };
}
