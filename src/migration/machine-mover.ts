import { Injectable, Logger } from '@nestjs/common';
import type { Change } from '../instances/domain/change.js';
import type { Instance } from '../instances/domain/instance.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { type MigrationJob, NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, addSeconds, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { TtlCache } from '../platform/ttl-cache.js';
import { AttemptsRepository } from './attempts.repository.js';
import { type Attempt, withStep } from './domain/attempt.js';
import type { Facts, Move, MoveLimits } from './domain/decide-move.js';
import { backToExited, heldUp, isHeldUpBy, underway } from './domain/moves.js';
import { newestJobOf } from './domain/newest-job.js';
import { moveLimitsOf } from './migration-limits.js';

/** How much longer than a call may last its row is left alone by everybody else. */
const LEASE_MARGIN_MS = 2000;
const RETRY_PAUSE_MS = 2000;
/** Nobody tops up an account within seconds. */
const HELD_UP_PAUSE_MS = 60_000;
/** Upstream's clock may be a little behind ours. */
const CLOCK_TOLERANCE_MS = 60_000;
const JOBS_GOOD_FOR_MS = 1000;

type Call = Extract<Move, { kind: 'call' }>;

/** Speaks to the provider about a machine that was lost: reads it and its jobs, starts and migrates it. */
@Injectable()
export class MachineMover {
  private readonly logger = new Logger(MachineMover.name);
  private readonly limits: MoveLimits;
  /** One listing of jobs does for all machines that are moving. */
  private readonly jobs = new TtlCache<{ readonly jobs: readonly MigrationJob[] }>(1, JOBS_GOOD_FOR_MS);

  constructor(
    private readonly novita: NovitaClient,
    private readonly recorder: InstanceRecorder,
    private readonly attempts: AttemptsRepository,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    this.limits = moveLimitsOf(settings);
  }

  async look(novitaId: string, now: Date): Promise<Facts['look']> {
    try {
      const machine = await this.novita.findMachine(novitaId, { lane: 'urgent' });
      if (machine === null)
        return { seen: { status: 'absent', spotStatus: '', reclaimAt: null, seenAt: now }, hasJobs: false };
      const { status, spotStatus, reclaimAt, jobIds } = machine;
      return { seen: { status, spotStatus, reclaimAt, seenAt: now }, hasJobs: jobIds.length > 0 };
    } catch (error) {
      if (error instanceof NovitaError) return { seen: 'unreadable', hasJobs: false };
      throw error;
    }
  }

  /** The newest job of the machine that was begun with, or after, what is under way. */
  async findJob(novitaId: string, sentAt: Date): Promise<MigrationJob | null | 'unreadable'> {
    try {
      const since = addMs(this.clock.now(), -(2 * this.limits.meansTimeoutMs + CLOCK_TOLERANCE_MS));
      const { jobs } = await this.jobs.get('jobs', async () => ({
        jobs: await this.novita.listMigrationJobs(since, { lane: 'order' }),
      }));
      return newestJobOf(jobs, novitaId, addMs(sentAt, -CLOCK_TOLERANCE_MS));
    } catch (error) {
      if (error instanceof NovitaError) return 'unreadable';
      throw error;
    }
  }

  /** Start or migrate: that it is being sent is committed first, so that no other replica sends it too. */
  async call(instance: Instance, attempt: Attempt, { means, novitaId }: Call, now: Date): Promise<boolean> {
    const leaseUntil = addMs(now, this.limits.repeatActionMs + this.settings.novitaTimeoutMs + LEASE_MARGIN_MS);
    const sent: Attempt = { ...attempt, means, tried: [...attempt.tried, means], sentAt: now, answeredAt: null };
    const sending = await this.record(underway(instance, leaseUntil, now), sent);
    if (sending === null) return true;
    try {
      // Later others have drawn their conclusions, and the user may have wished for something else.
      const options = { lane: 'urgent', sendBefore: addMs(now, this.limits.repeatActionMs) } as const;
      if (means === 'start') await this.novita.startMachine(novitaId, options);
      else await this.novita.migrateMachine(novitaId, options);
      return await this.answered(sending, sent, 'taken', means);
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      return this.onError(sending, sent, error);
    }
  }

  private async onError(sending: Instance, attempt: Attempt, error: NovitaError): Promise<boolean> {
    const now = this.clock.now();
    const because = error.reason ?? error.errorClass;
    this.logger.warn(
      { instanceId: sending.id, means: attempt.means, reason: error.message },
      'the provider did not take it',
    );
    if (error.outcome === 'unknown' || error.errorClass === 'unavailable' || error.errorClass === 'wrong-state')
      return this.answered(sending, attempt, 'unclear', because);
    const told = withStep({ ...attempt, means: null }, 'refused', because, now);
    const untried = { ...told, tried: attempt.tried.slice(0, -1) };
    if (error.outcome === 'not-sent' || error.errorClass === 'rate-limited') {
      const next = addSeconds(now, error.retryAfterSeconds ?? RETRY_PAUSE_MS / 1000);
      await this.record(backToExited(sending, next, now), untried);
      return false;
    }
    if (isHeldUpBy(error.errorClass)) {
      await this.record(heldUp(sending, error.errorClass, addMs(now, HELD_UP_PAUSE_MS), now), untried);
      return false;
    }
    await this.record(backToExited(sending, now, now), told);
    return true;
  }

  /** Whatever the answer was: what the next listings show decides. */
  private async answered(sending: Instance, attempt: Attempt, decision: string, because: string): Promise<boolean> {
    const now = this.clock.now();
    const after = { ...sending, nextCheckAt: addMs(now, Math.min(this.limits.pollMs, RETRY_PAUSE_MS)), updatedAt: now };
    await this.record({ before: sending, after }, withStep({ ...attempt, answeredAt: now }, decision, because, now));
    return false;
  }

  private record(change: Change, attempt: Attempt): Promise<Instance | null> {
    return this.recorder.record({ ...change, alongside: (tx) => this.attempts.save(attempt, tx) });
  }
}
