import type { Instance } from '../../instances/domain/instance.js';
import { isLive, observedAt, type Placement } from '../../instances/domain/placement.js';
import type { MigrationJob } from '../../novita/novita-client.js';
import { addMs } from '../../platform/clock.js';
import type { Attempt, Means } from './attempt.js';
import { classify, NOTICE_MS, type Observation, type Records } from './classify.js';
import { type Ineligible, judgeEligibility, type MigrationMode } from './eligibility.js';

/** What is known of earlier attempts of the same instance. */
export interface History {
  /** Attempts of the last hour that are over. */
  readonly recentAttempts: number;
  /** Attempts since this loss that failed. */
  readonly failuresSinceLoss: number;
  readonly lastMigratedAt: Date | null;
}

export interface Facts {
  readonly instance: Instance;
  readonly placements: readonly Placement[];
  readonly attempt: Attempt | null;
  readonly history: History;
  /** When the latest complete listing was begun. */
  readonly sweptAt: Date | null;
  /** The machine's own record, read just now; null: not read yet. */
  readonly look: { readonly seen: Observation | 'unreadable'; readonly hasJobs: boolean } | null;
  /** The newest migration job of the machine; undefined: not asked yet, null: there is none. */
  readonly job?: MigrationJob | null | 'unreadable' | undefined;
}

export interface MoveLimits extends MigrationMode {
  readonly pollMs: number;
  readonly settleMs: number;
  /** When an action that shows no effect has had none. */
  readonly repeatActionMs: number;
  /** How long one means may take. */
  readonly meansTimeoutMs: number;
  readonly retryFailed: boolean;
}

/** What brings one lost instance nearer to running again. */
export type Move =
  /** Nothing is to be done until a row changes. */
  | { readonly kind: 'rest'; readonly because: Ineligible }
  | { readonly kind: 'wait'; readonly until: Date; readonly because: string }
  /** Lost too often of late: nothing is under way before then. */
  | { readonly kind: 'brake'; readonly until: Date; readonly because: typeof BRAKE }
  /** A replica is waiting for an answer: writing now would void what it records. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'look' }
  | { readonly kind: 'look-at-jobs' }
  | {
      readonly kind: 'call';
      readonly means: 'start' | 'migrate';
      readonly placement: Placement;
      readonly novitaId: string;
      readonly because: string;
    }
  | { readonly kind: 'elsewhere'; readonly because: string }
  | { readonly kind: 'adopt-successor'; readonly successor: Placement; readonly because: string }
  | { readonly kind: 'follow-platform'; readonly because: string }
  | { readonly kind: 'come-up'; readonly because: string }
  /** The means under way came to nothing; the next one follows. */
  | { readonly kind: 'next-means'; readonly because: string }
  | { readonly kind: 'give-up'; readonly because: string };

const BRAKE = 'brake-after-repeated-loss';
const MAX_FAILURES = 3;
const FREE_ATTEMPTS = 2;
const FIRST_BRAKE_MS = 30_000;
const LONGEST_BRAKE_MS = 600_000;
const RAREST_LOOK_MS = 15_000;
/** A job is listed some seconds after its call was taken. */
const JOB_VISIBLE_MS = 30_000;

export function decideMove(facts: Facts, now: Date, limits: MoveLimits): Move {
  return facts.instance.phase === 'migrating' ? decideUnderway(facts, now, limits) : decideLost(facts, now, limits);
}

function decideLost(facts: Facts, now: Date, limits: MoveLimits): Move {
  const { instance, attempt, history } = facts;
  const verdict = judgeEligibility(instance, limits);
  if (!verdict.eligible) return { kind: 'rest', because: verdict.because };
  const successor = successorOf(facts);
  if (successor !== null) return { kind: 'adopt-successor', successor, because: 'successor-under-way' };
  if (history.failuresSinceLoss >= (limits.retryFailed ? MAX_FAILURES : 1))
    return { kind: 'give-up', because: 'every-attempt-failed' };
  const brakeUntil = brakeOf(instance, history);
  // What was begun goes on: a pause of its own begins the phase anew, which must not count as one more loss.
  if (brakeUntil > now && attempt === null) return { kind: 'brake', until: brakeUntil, because: BRAKE };
  const placement = currentOf(facts);
  if (!isKnownUpstream(placement)) return { kind: 'elsewhere', because: 'no-machine-left' };
  if (facts.look !== null) return decideByLook(facts, placement, placement.novitaId, now, limits);
  const because = attempt === null || attempt.tried.length === 0 ? lossInListing(facts, placement) : null;
  return because === null
    ? { kind: 'look' }
    : { kind: 'call', means: 'start', placement, novitaId: placement.novitaId, because };
}

/**
 * What the listing says is enough for a first start, which upstream itself refuses unless the machine has exited and no job is
 * at work on it: where a whole zone is taken back at once, a look at each machine would spend half of the calls.
 */
function lossInListing(facts: Facts, placement: Placement): 'reclaimed' | 'interrupted' | null {
  const seen = isMissingInListing(placement) ? null : observationOf(placement, facts.sweptAt);
  const situation = classify(seen ?? 'unreadable', recordsOf(facts, placement));
  return situation.kind === 'reclaimed' || situation.kind === 'interrupted' ? situation.kind : null;
}

function decideByLook(facts: Facts, placement: Placement, novitaId: string, now: Date, limits: MoveLimits): Move {
  const { look, instance } = facts;
  const situation = classify(look?.seen ?? 'unreadable', recordsOf(facts, placement));
  const waitFor = (because: string): Move => ({
    kind: 'wait',
    until: addMs(now, lookAgainMs(instance, now, limits)),
    because,
  });
  // The machine is of no use as it is: after as long as one means may take another one is.
  const isStuck = now >= addMs(instance.phaseSince, limits.meansTimeoutMs);
  switch (situation.kind) {
    case 'stopped-by-user':
    case 'stopped-by-us':
      return { kind: 'rest', because: situation.kind };
    case 'unknown':
      // However its fields contradict each other, it has not run for as long as one means may take.
      return isStuck && look?.seen !== 'unreadable' && look?.seen.status === 'exited'
        ? nextMeans(facts, placement, novitaId, situation.because)
        : waitFor(situation.because);
    case 'gone':
      // Silence is not absence: the listing has to agree before another machine is bought.
      if (isMissingInListing(placement)) return { kind: 'elsewhere', because: 'gone' };
      return isStuck ? { kind: 'elsewhere', because: 'gone-but-still-listed' } : waitFor('gone-but-still-listed');
    case 'migrating-by-itself':
    case 'migrating-for-us':
      return { kind: 'follow-platform', because: situation.kind };
    case 'steady':
    case 'notice':
      return placement.seenStatus === 'exited'
        ? waitFor('runs-but-listed-as-exited')
        : { kind: 'come-up', because: 'runs-again' };
    case 'reclaimed':
    case 'interrupted':
      if (look?.hasJobs === true)
        return isStuck ? { kind: 'elsewhere', because: 'a-job-is-stuck' } : waitFor('a-job-is-at-work');
      return nextMeans(facts, placement, novitaId, situation.kind);
  }
}

function nextMeans({ attempt }: Facts, placement: Placement, novitaId: string, because: string): Move {
  const tried = attempt?.tried ?? [];
  const means = meansAfter(tried);
  return means === 'elsewhere'
    ? { kind: 'elsewhere', because: `${tried.join('-and-')}-came-to-nothing` }
    : { kind: 'call', means, placement, novitaId, because };
}

/** Start where the node has room, else the provider's own migrate, else another machine. */
export function meansAfter(tried: readonly Means[]): 'start' | 'migrate' | 'elsewhere' {
  if (!tried.includes('start')) return 'start';
  return tried.includes('migrate') ? 'elsewhere' : 'migrate';
}

function decideUnderway(facts: Facts, now: Date, limits: MoveLimits): Move {
  const { instance, attempt, sweptAt } = facts;
  const placement = currentOf(facts);
  if (!isKnownUpstream(placement) || attempt === null || attempt.sentAt === null)
    return { kind: 'next-means', because: 'no-machine-left' };
  const { sentAt, answeredAt } = attempt;
  // Until the call is answered, the row's next check is the lease of the replica that sent it.
  if (answeredAt === null && isLater(instance.nextCheckAt, now)) return { kind: 'leave' };
  const wait = (because: string): Move => ({ kind: 'wait', until: addMs(now, limits.pollMs), because });
  const seenAt = observedAt(placement, sweptAt);
  if (isMissingInListing(placement)) {
    if (facts.look === null) return { kind: 'look' };
    return facts.look.seen !== 'unreadable' && facts.look.seen.status === 'absent'
      ? { kind: 'elsewhere', because: 'gone' }
      : wait('not-in-the-listing');
  }
  if (seenAt === null || seenAt < addMs(sentAt, limits.settleMs)) return wait('not-seen-since-the-call');
  if (placement.seenStatus === 'running') return { kind: 'come-up', because: `${attempt.means}-worked` };
  const isOverdue = seenAt >= addMs(sentAt, limits.meansTimeoutMs);
  if (placement.seenStatus === 'exited')
    return decideStillExited(facts, attempt, sentAt, seenAt, isOverdue, wait, limits);
  if (placement.seenStatus === 'migrating') return decideMigrating(facts, isOverdue, wait);
  return isOverdue ? { kind: 'elsewhere', because: 'did-not-come-up-in-time' } : wait('coming-up');
}

function decideStillExited(
  facts: Facts,
  attempt: Attempt,
  sentAt: Date,
  seenAt: Date,
  isOverdue: boolean,
  wait: (because: string) => Move,
  limits: MoveLimits,
): Move {
  if (seenAt < addMs(sentAt, limits.repeatActionMs)) return wait('no-effect-yet');
  if (attempt.means === 'start') return { kind: 'next-means', because: 'start-had-no-effect' };
  const { job } = facts;
  if (job === undefined) return { kind: 'look-at-jobs' };
  if (job === 'unreadable')
    return isOverdue ? { kind: 'next-means', because: 'migration-stuck' } : wait('jobs-unreadable');
  if (job === null)
    return seenAt < addMs(sentAt, JOB_VISIBLE_MS) && !isOverdue
      ? wait('no-job-yet')
      : { kind: 'next-means', because: 'migrate-had-no-effect' };
  if (job.state === 'success') return { kind: 'next-means', because: 'migrated-but-exited' };
  if (hasFailed(job) || isOverdue) return { kind: 'next-means', because: 'migration-job-failed' };
  return wait('migration-job-at-work');
}

/** A failed migration may leave the machine in `migrating` for ever: only its job tells, or the deadline. */
function decideMigrating({ job }: Facts, isOverdue: boolean, wait: (because: string) => Move): Move {
  if (isOverdue) return { kind: 'elsewhere', because: 'migration-stuck' };
  if (job === undefined) return { kind: 'look-at-jobs' };
  if (job !== null && job !== 'unreadable' && hasFailed(job))
    return { kind: 'elsewhere', because: 'migration-job-failed' };
  return wait('migration-job-at-work');
}

function hasFailed({ state }: MigrationJob): boolean {
  return state === 'fail' || state === 'break';
}

/** The first losses of an hour are answered at once, later ones with growing pauses; what is asked for by hand is not held up. */
export function brakeOf(instance: Pick<Instance, 'lostAt' | 'phaseSince' | 'recoveryTrigger'>, history: History): Date {
  const since = instance.phaseSince;
  const over = history.recentAttempts - FREE_ATTEMPTS;
  if (over < 0 || instance.recoveryTrigger === 'manual_migration') return since;
  return addMs(since, Math.min(LONGEST_BRAKE_MS, FIRST_BRAKE_MS * 2 ** Math.min(over, 8)));
}

/** Often at first, then less: a doubt that lasts is not asked about every second. */
function lookAgainMs({ phaseSince }: Instance, now: Date, { pollMs }: MoveLimits): number {
  return Math.min(RAREST_LOOK_MS, Math.max(Math.min(pollMs, 2000), (now.getTime() - phaseSince.getTime()) / 4));
}

/** A move as it is kept and shown. */
export function moveName(move: Move): string {
  if (move.kind === 'call') return move.means;
  return move.kind === 'brake' ? 'wait' : move.kind;
}

export function recordsOf({ instance, attempt, history }: Facts, placement: Placement): Records {
  const { desired, stopRequestedAt, phase, phaseSince, lostAt } = instance;
  const toldEndsAt = instance.noticePlacementId === placement.id ? instance.noticeDeadlineAt : null;
  const starts = [placement.createdAt, history.lastMigratedAt, phase === 'running' ? phaseSince : null];
  const isFollowing = attempt?.means === 'migrate' && instance.phase === 'migrating';
  return {
    desired,
    stopRequestedAt,
    billingMode: placement.billingMode,
    startedAt: new Date(Math.max(...starts.map((start) => start?.getTime() ?? 0))),
    noticeEndsAt: toldEndsAt ?? (lostAt && addMs(lostAt, NOTICE_MS)),
    ourMigrationSince: isFollowing ? attempt.sentAt : null,
  };
}

export function currentOf({ instance, placements }: Pick<Facts, 'instance' | 'placements'>): Placement | null {
  return placements.find(({ id }) => id === instance.currentPlacementId) ?? null;
}

/** What the listings show of the current machine; null: it was never seen. */
export function observationOf(placement: Placement, sweptAt: Date | null): Observation | null {
  const { seenStatus, seenSpotStatus, seenReclaimAt } = placement;
  const seenAt = observedAt(placement, sweptAt);
  if (seenStatus === null || seenAt === null) return null;
  return { status: seenStatus, spotStatus: seenSpotStatus ?? '', reclaimAt: seenReclaimAt, seenAt };
}

function isKnownUpstream(placement: Placement | null): placement is Placement & { novitaId: string } {
  return placement !== null && placement.novitaId !== null && isLive(placement) && placement.state !== 'retiring';
}

function successorOf({ instance, placements }: Facts): Placement | null {
  const successor = placements.find(({ id }) => id === instance.successorPlacementId);
  return successor !== undefined && (successor.state === 'intended' || successor.state === 'confirmed')
    ? successor
    : null;
}

function isMissingInListing({ missingSince, missingAt, seenStatus }: Placement): boolean {
  if (seenStatus === 'removed' || seenStatus === 'removing') return true;
  return missingSince !== null && missingAt !== null && missingAt > missingSince;
}

function isLater(instant: Date | null, now: Date): instant is Date {
  return instant !== null && instant > now;
}
