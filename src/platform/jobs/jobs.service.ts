import { Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { PgBoss, type Job as BossJob, type JobInsert, type JobResult } from 'pg-boss';
import { Settings } from '../config.js';
import { inOneGo, type Joint } from '../database/in-one-go.js';
import { type AnyTx, run } from '../database/statement.js';
import { StatementNames } from '../database/statement-names.js';
import { SteadyClient } from '../database/steady-client.js';
import { Draining } from '../draining.js';
import { inSpan } from '../telemetry/spans.js';
import type { Job } from './job.js';
import { GiveWay } from './give-way.js';
import { InHand } from './in-hand.js';
import { priorityOf } from './urgency.js';

type Handler = (payload: object) => Promise<unknown>;

/** One pg-boss worker takes this many jobs at once. */
const BATCH = 10;
/** What is in hand may take this long to end when the process is told to stop; the rest is found by the sweep elsewhere. */
const IN_HAND_MS = 4000;

export interface JobCounts {
  readonly pending: number;
  readonly processing: number;
  readonly completed: number;
  readonly failed: number;
}

/** For the pool below pg-boss: a half-open connection never answers, and a worker would wait on it for ever. */
const POOL = { Client: SteadyClient, query_timeout: 5000, keepAlive: true };

/** pg-boss behind two words: `enqueue` inside the caller's transaction, and @HandlesJob. */
@Injectable()
export class Jobs implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(Jobs.name);
  private readonly boss: PgBoss;
  private readonly known = new Map<string, Promise<void>>();
  private readonly inHand = new InHand();
  private readonly giveWay = new GiveWay();
  private readonly insertions = new Map<string, Joint<JobInsert, void>>();
  private readonly names = new StatementNames('jobs-');
  private running = false;

  constructor(settings: Settings, draining: Draining) {
    draining.handOver(() => this.leave());
    this.boss = new PgBoss({
      ...POOL,
      connectionString: settings.databaseUrl,
      max: 4,
      application_name: `novita-gpu-instances jobs ${settings.replicaId.slice(0, 8)}`,
      connectionTimeoutMillis: 3000,
      useListenNotify: true,
      schedule: false,
    });
    // Without a listener a lost connection would end the process; pg-boss reconnects by itself.
    this.boss.on('error', (error) => this.logger.warn(`job queue: ${error.message}`));
  }

  async onModuleInit(): Promise<void> {
    await this.boss.start();
    this.running = true;
  }

  /** What is in hand is finished, the rest stays queued for another replica. Requests that still come in may enqueue. */
  private async leave(): Promise<void> {
    this.running = false;
    this.giveWay.end();
    await this.boss.stop({ graceful: true, timeout: IN_HAND_MS, close: false });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.boss.stop({ graceful: false, close: true });
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** Written with the caller's transaction: a rolled-back change wakes nobody. */
  async enqueue<P extends object>(job: Job<P>, payload: P, tx: AnyTx, deadline: Date | null = null): Promise<void> {
    await inOneGo(tx, this.enqueuing(job.name), toInsert(job, payload, deadline));
  }

  /** For sweeps, which found the work in the rows: one insert for all. */
  async enqueueAll<P extends object>(
    job: Job<P>,
    payloads: readonly P[],
    deadlineOf: (payload: P) => Date | null = () => null,
  ): Promise<void> {
    if (payloads.length === 0 || !this.running) return;
    await this.boss.insert(
      job.name,
      payloads.map((payload) => toInsert(job, payload, deadlineOf(payload))),
    );
  }

  /** For timers, which find the same rows again in a moment: what is in hand already is not queued once more. */
  async wakeAll<P extends object>(
    job: Job<P>,
    payloads: readonly P[],
    deadlineOf?: (payload: P) => Date | null,
  ): Promise<void> {
    const idle = payloads.filter((payload) => !this.inHand.has(job.name, job.keyOf(payload)));
    await this.enqueueAll(job, idle, deadlineOf);
  }

  /** Makes the queue exist before anybody enqueues, so that `enqueue` is one insert. */
  async declare<P extends object>(job: Job<P>): Promise<void> {
    const declared = this.known.get(job.name) ?? this.createQueue(job.name);
    this.known.set(job.name, declared);
    await declared;
  }

  async work<P extends object>(job: Job<P>, handler: Handler): Promise<void> {
    await this.boss.work(
      job.name,
      {
        perJobResults: true,
        batchSize: Math.min(BATCH, job.concurrency),
        localConcurrency: Math.max(1, Math.ceil(job.concurrency / BATCH)),
        burstWhenBatchFull: true,
        pollingIntervalSeconds: 1,
        notifyPollingIntervalSeconds: 10,
      },
      (batch: BossJob<P>[]) =>
        Promise.all(
          batch.map((one) =>
            this.inHand.during(job.name, job.keyOf(one.data), async () => {
              if (job.givesWay) await this.giveWay.turn();
              return this.handle(one, handler);
            }),
          ),
        ),
    );
  }

  /** Over all replicas, from the queue's own tables. */
  async counts(): Promise<JobCounts> {
    const { rows } = await this.boss.getDb().executeSql(
      `SELECT count(*) FILTER (WHERE state IN ('created', 'retry'))::int AS pending,
              count(*) FILTER (WHERE state = 'active')::int AS processing,
              count(*) FILTER (WHERE state = 'completed')::int AS completed,
              count(*) FILTER (WHERE state = 'failed')::int AS failed
         FROM pgboss.job WHERE name NOT LIKE '\\_\\_pgboss%'`,
    );
    return rows[0] as JobCounts;
  }

  private enqueuing(queue: string): Joint<JobInsert, void> {
    const known = this.insertions.get(queue);
    if (known !== undefined) return known;
    const joint: Joint<JobInsert, void> = {
      run: async (jobs, tx) => {
        await this.boss.insert(queue, [...jobs], { db: this.within(tx) });
        return [];
      },
    };
    this.insertions.set(queue, joint);
    return joint;
  }

  /** What pg-boss sends inside the caller's transaction is planned once for each queue. */
  private within(tx: AnyTx): { executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> } {
    return {
      executeSql: (text, values = []) =>
        run<Record<string, unknown>>(tx, { name: this.names.of(text) ?? '', text }, values),
    };
  }

  private async handle(job: BossJob<object>, handler: Handler): Promise<JobResult> {
    try {
      await inSpan(`job ${job.name}`, { kind: 'consumer', attributes: { ...job.data } }, () => handler(job.data));
      return { id: job.id, status: 'completed' };
    } catch (error) {
      this.logger.error(
        { err: error, job: job.name, ...job.data },
        `${job.name} failed; the sweep will find its row again`,
      );
      return { id: job.id, status: 'failed', output: { message: error instanceof Error ? error.name : 'unknown' } };
    }
  }

  private async createQueue(name: string): Promise<void> {
    await this.boss.createQueue(name, {
      policy: 'short',
      notify: true,
      // The sweep is the retry: a row that still needs work is found again whatever became of its job.
      retryLimit: 0,
      expireInSeconds: 300,
      deleteAfterSeconds: 24 * 3600,
    });
  }
}

function toInsert<P extends object>(job: Job<P>, payload: P, deadline: Date | null): JobInsert {
  return { data: payload, singletonKey: job.keyOf(payload), priority: priorityOf(deadline) };
}
