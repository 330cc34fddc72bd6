import type { Tx } from '../../src/platform/database/unit-of-work.js';
import type { Job } from '../../src/platform/jobs/job.js';
import type { Jobs } from '../../src/platform/jobs/jobs.service.js';
import { asTransaction, type FakeDatabase, type QueuedJob } from './fake-database.js';
import type { Actor } from './scheduler.js';

/** Wake-ups: written with the transaction or at once; whether one arrives, twice or late, the world decides. */
export class FakeJobs implements Pick<Jobs, 'enqueue' | 'enqueueAll' | 'wakeAll'> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async enqueue<P extends object>(job: Job<P>, payload: P, tx: Tx): Promise<void> {
    asTransaction(tx).jobs.push(toQueued(job, payload));
  }

  async enqueueAll<P extends object>(job: Job<P>, payloads: readonly P[]): Promise<void> {
    if (payloads.length === 0) return;
    await this.database.query(this.actor, `wake ${job.name}`, () =>
      this.database.onJobs(payloads.map((payload) => toQueued(job, payload))),
    );
  }

  async wakeAll<P extends object>(job: Job<P>, payloads: readonly P[]): Promise<void> {
    await this.enqueueAll(job, payloads);
  }
}

function toQueued<P extends object>(job: Job<P>, payload: P): QueuedJob {
  return { name: job.name, key: `${job.name}/${job.keyOf(payload)}`, payload };
}
