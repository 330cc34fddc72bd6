import { AppError } from '../../src/platform/app-error.js';
import { loadSettings, Settings } from '../../src/platform/config.js';
import type { UserAction } from '../../src/instances/domain/decide-request.js';
import type { InstanceOrder } from '../../src/instances/domain/new-instance.js';
import { DatabaseUnavailable, FakeDatabase, type QueuedJob } from '../fakes/fake-database.js';
import { FakeJobs } from '../fakes/fake-jobs.js';
import { FakeNovitaClient } from '../fakes/fake-novita-client.js';
import {
  FakeEvents,
  FakeInstances,
  FakeLeases,
  FakeOrphans,
  FakePlacements,
  FakeSweeps,
} from '../fakes/fake-repositories.js';
import { FakeUpstream, HONEST } from '../fakes/fake-upstream.js';
import { type Actor, Scheduler } from '../fakes/scheduler.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { Judge, OWN_PREFIX } from './judge.js';
import type { Mutant } from './mutants/mutant.js';
import { type Parts, Replica } from './replica.js';

const OBSERVE_EVERY_MS = 1000;
const LOOK_FOR_DUE_WORK_EVERY_MS = 4000;
const CALM_WITHIN_MS = 900_000;
const LOOK_EVERY_MS = 5000;
const TEAM = { teamId: 'team', actor: 'key' };

const BASE = loadSettings({
  DATABASE_URL: 'postgresql://nowhere/none',
  NOVITA_API_KEY: 'none',
  DEPLOYMENT_ID: 'sim',
  NOVITA_REQUESTS_PER_MINUTE: '600',
  NOVITA_TIMEOUT_SECONDS: '4',
  NOVITA_CREATE_TIMEOUT_SECONDS: '8',
  LIFECYCLE_POLL_SECONDS: '5',
  STARTUP_TIMEOUT_SECONDS: '60',
  QUEUE_TIMEOUT_SECONDS: '60',
  STOP_TIMEOUT_SECONDS: '40',
  VISIBILITY_WINDOW_SECONDS: '8',
  STOCK_OUT_MEMORY_SECONDS: '20',
  FALLBACK_REGIONS: 'REGION-B',
});

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly steps: number;
  /** How the attempts to bring lost instances back ended. */
  readonly migrations: readonly string[];
  readonly lastSteps: readonly string[];
  /** The rows and the upstream's books at the end, for people. */
  readonly rows: readonly string[];
}

/** One seeded run: users, crashes, pauses and lies for some minutes of virtual time, then calm until all is where it belongs. */
export class SimulatedWorld {
  private readonly random: SeededRandom;
  private readonly scheduler: Scheduler;
  private readonly database: FakeDatabase;
  private readonly upstream: FakeUpstream;
  private readonly judge: Judge;
  private readonly settings: Settings;
  private readonly memory = new Map<string, unknown>();
  private readonly waitingJobs = new Set<string>();
  private readonly ordered: string[] = [];
  private replicas: Replica[] = [];
  private processes = 0;
  private isCalm = false;
  private lostWakes = 0;

  constructor(
    private readonly seed: number,
    private readonly mutant: Mutant | null = null,
  ) {
    const random = new SeededRandom(seed);
    this.random = random;
    this.scheduler = new Scheduler(random, random.pick([0, 0.1, 0.4]));
    this.database = new FakeDatabase(this.scheduler, random, random.pick([0, 0.2, 0.6]));
    this.upstream = new FakeUpstream(this.scheduler, random);
    this.settings = new Settings({ ...BASE, orphanGraceMs: random.pick([0, 5000, 15_000]) });
    this.judge = new Judge(this.database, this.upstream, this.settings);
    this.database.onCommit = (committed) => this.judge.onCommit(committed);
    this.database.onJobs = (jobs) => jobs.forEach((job) => this.queue(job));
  }

  async run(): Promise<Outcome> {
    this.setUp();
    const chaosEndsAt = this.scheduler.nowMs + this.random.between(20_000, 100_000);
    while (this.judge.violations.length === 0 && (await this.scheduler.step(chaosEndsAt))) this.judge.checkStep();
    if (this.judge.violations.length === 0) await this.settle();
    return this.judge.violations.length === 0
      ? { ...this.counted(), violations: [], lastSteps: [], rows: [] }
      : this.describe();
  }

  private counted(): Pick<Outcome, 'seed' | 'steps' | 'migrations'> {
    const migrations = [...this.database.attempts.values()].map(({ cause, state }) => `${cause} ${state}`);
    return { seed: this.seed, steps: this.scheduler.steps, migrations };
  }

  private describe(): Outcome {
    return {
      ...this.counted(),
      violations: this.judge.violations,
      lastSteps: this.scheduler.trace.map(({ at, actor, label }) => `${(at / 1000).toFixed(3)} ${actor} ${label}`),
      rows: [
        ...this.database.instances.values(),
        ...this.database.placements.values(),
        ...this.database.attempts.values(),
        ...this.upstream.machines.values(),
      ].map(describeRow),
    };
  }

  private setUp(): void {
    const { random, upstream } = this;
    const level = random.pick([0, 0.3, 1]);
    upstream.faults = {
      notSent: 0.05 * level * random.fraction(),
      rateLimited: 0.1 * level * random.fraction(),
      lostBefore: 0.1 * level * random.fraction(),
      lostAfter: 0.15 * level * random.fraction(),
      refusedAfter: 0.05 * level * random.fraction(),
      doubled: random.pick([0, 0, 0, 0.5]),
      ignored: random.pick([0, 0.2, 0.6]) * level,
      partialList: random.pick([0, 0.2, 0.5]) * level,
      flicker: random.pick([0, 0.2, 0.5]) * level,
      noCapacity: random.pick([0, 0, 0.2, 0.5]),
      refused: 0.05 * level * random.fraction(),
      badMachine: random.pick([0, 0.1, 0.4]),
      listLagMs: random.pick([0, 2000, this.settings.visibilityWindowMs]),
      staleMs: random.pick([0, 1000, 3000]),
      slow: random.pick([0, 0.1, 0.5]),
    };
    this.database.faults.failure = random.pick([0, 0, 0.01, 0.03]);
    this.lostWakes = random.pick([0, 0.1, 0.5]);
    upstream.addForeign('somebody-elses');
    upstream.addForeign('gpusvc-other-xyz-machine');
    for (let count = random.pick([1, 2, 2, 3]); count > 0; count -= 1) this.boot();
    for (let count = random.pick([1, 1, 2, 3]); count > 0; count -= 1) this.later(20_000, 'order', () => this.order());
    for (let count = random.below(7); count > 0; count -= 1) this.later(90_000, 'user', () => this.act());
    for (let count = random.below(3); count > 0; count -= 1) this.later(80_000, 'kill', () => this.kill());
    for (let count = random.below(3); count > 0; count -= 1) this.later(80_000, 'pause', () => this.pause());
    for (let count = random.below(4); count > 0; count -= 1) this.later(90_000, 'upset', () => this.upset());
    if (random.chance(0.2))
      this.later(90_000, 'outage', () => {
        upstream.outageUntilMs = this.scheduler.nowMs + random.between(1000, 40_000);
      });
  }

  /** Faults stop, every replica is up, time runs: whatever happened before, everything must come to where it belongs. */
  private async settle(): Promise<void> {
    this.isCalm = true;
    this.upstream.faults = { ...HONEST };
    this.upstream.outageUntilMs = 0;
    this.database.faults.failure = 0;
    for (const { actor } of this.replicas) actor.pausedUntil = 0;
    if (this.replicas.length === 0) this.boot();
    const giveUpAt = this.scheduler.nowMs + CALM_WITHIN_MS;
    let settledFor = 0;
    while (this.scheduler.nowMs < giveUpAt && settledFor < 3) {
      const until = this.scheduler.nowMs + LOOK_EVERY_MS;
      while (this.scheduler.nowMs < until && (await this.scheduler.step(until))) this.judge.checkStep();
      if (this.judge.violations.length > 0) return;
      settledFor = this.judge.whatIsUnsettled() === null ? settledFor + 1 : 0;
    }
    const unsettled = this.judge.whatIsUnsettled();
    if (unsettled !== null) this.judge.report(`${CALM_WITHIN_MS / 1000} s after the last fault: ${unsettled}`);
  }

  private later(withinMs: number, label: string, run: () => void): void {
    this.scheduler.after(this.random.fraction() * withinMs, null, label, () => {
      if (!this.isCalm) run();
    });
  }

  private boot(): void {
    this.processes += 1;
    const actor: Actor = { name: `p${this.processes}`, isDead: false, pausedUntil: 0 };
    const { database, settings } = this;
    const timeouts = { callMs: settings.novitaTimeoutMs, createMs: settings.novitaCreateTimeoutMs };
    const parts: Parts = {
      settings: new Settings({ ...settings, replicaId: actor.name }),
      novita: new FakeNovitaClient(this.upstream, actor, this.judge, timeouts),
      instances: new FakeInstances(database, actor),
      placements: new FakePlacements(database, actor),
      sweeps: new FakeSweeps(database, actor),
      orphans: new FakeOrphans(database, actor),
      events: new FakeEvents(database),
      leases: new FakeLeases(database, actor),
      jobs: new FakeJobs(database, actor),
      identity: { id: () => Promise.resolve('sim'), namePrefix: () => Promise.resolve(OWN_PREFIX) },
      wakesDueWork: true,
    };
    const around = { actor, database, memory: this.memory };
    const replica = new Replica(actor, { ...parts, ...this.mutant?.mutateParts?.(parts, around) }, database);
    this.mutant?.mutateReplica?.(replica, around);
    this.replicas.push(replica);
    this.every(replica, OBSERVE_EVERY_MS, 'observe', () => replica.observer.tick());
    if (!replica.parts.wakesDueWork) return;
    this.every(replica, LOOK_FOR_DUE_WORK_EVERY_MS, 'look for due work', () => replica.dueWork.wake());
    this.every(replica, LOOK_FOR_DUE_WORK_EVERY_MS, 'look for due migrations', () => replica.wakeDueMigrations());
  }

  private every(replica: Replica, ms: number, label: string, tick: () => Promise<void>): void {
    const again = () => {
      this.watch(tick(), label);
      this.scheduler.after(ms, replica.actor, label, again);
    };
    this.scheduler.after(this.random.fraction() * ms, replica.actor, label, again);
  }

  /** What the schedule and the job queue swallow in the product is judged here: a broken connection may happen, nothing else. */
  private watch(work: Promise<unknown>, label: string): void {
    work.catch((error: unknown) => {
      if (error instanceof DatabaseUnavailable || error instanceof AppError) return;
      this.judge.report(`${label} broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }

  // ---- wake-ups

  private queue(job: QueuedJob): void {
    if (this.waitingJobs.has(job.key)) return;
    if (!this.isCalm && this.random.chance(this.lostWakes)) return;
    this.waitingJobs.add(job.key);
    this.deliver(job, this.random.chance(0.1) ? this.random.between(0, 10_000) : this.random.between(0, 100));
    if (this.random.chance(0.2)) this.deliver(job, this.random.fraction() * this.random.pick([20, 2000]));
  }

  private deliver(job: QueuedJob, afterMs: number): void {
    this.scheduler.after(afterMs, null, `wake ${job.key}`, () => {
      const { nowMs } = this.scheduler;
      const awake = this.replicas.filter(({ actor }) => actor.pausedUntil <= nowMs);
      if (awake.length === 0) return this.deliver(job, 1000);
      this.waitingJobs.delete(job.key);
      this.watch(this.random.pick(awake).handle(job), job.key);
    });
  }

  // ---- users

  private order(): void {
    const { random } = this;
    const order: InstanceOrder = {
      name: 'machine',
      productName: 'GPU',
      templateId: 'template',
      gpuNum: 1,
      rootfsSizeGb: 50,
      region: 'REGION-A',
      webhookUrl: null,
      billingMode: random.pick(['spot', 'onDemand']),
      spotPolicy: random.pick(['migrate', 'migrate', 'replace', 'none']),
      fallbackToOnDemand: random.chance(0.3),
      labels: {},
      readiness: random.chance(0.2) ? { port: 8080, timeoutSeconds: 20 } : null,
    };
    this.request((service) => service.request(order, TEAM).then(({ id }) => void this.ordered.push(id)), 'order');
  }

  private act(): void {
    if (this.ordered.length === 0) return;
    const { random } = this;
    const action = random.pick<UserAction>(['start', 'stop', 'stop', 'restart', 'delete']);
    const id = random.pick(this.ordered);
    this.request((service) => service.act(action, id, TEAM), `${action} ${id}`);
  }

  private request(ask: (service: Replica['service']) => Promise<unknown>, label: string): void {
    if (this.replicas.length === 0) return;
    this.scheduler.note('user', label);
    this.watch(ask(this.random.pick(this.replicas).service), label);
  }

  // ---- what goes wrong

  private kill(): void {
    if (this.replicas.length === 0) return;
    const replica = this.random.pick(this.replicas);
    this.scheduler.note('world', `SIGKILL ${replica.actor.name}`);
    this.replicas = this.replicas.filter((one) => one !== replica);
    this.scheduler.kill(replica.actor);
    this.database.abortAllOf(replica.actor);
    this.scheduler.after(this.random.between(100, 20_000), null, 'boot', () => this.boot());
  }

  private pause(): void {
    if (this.replicas.length === 0) return;
    const { actor } = this.random.pick(this.replicas);
    actor.pausedUntil = this.scheduler.nowMs + this.random.between(500, 60_000);
    this.scheduler.note('world', `SIGSTOP ${actor.name} until ${actor.pausedUntil}`);
    // Postgres ends what idles inside a transaction.
    this.database.abortAllOf(actor);
  }

  private upset(): void {
    const own = this.upstream.existing().filter(({ name }) => name.startsWith(OWN_PREFIX));
    if (own.length === 0) return;
    const { id } = this.random.pick(own);
    const upset = this.random.pick(['exit', 'reclaim', 'reclaim', 'notice', 'notice', 'moveAway', 'vanish'] as const);
    this.scheduler.note('upstream', `${upset} ${id}`);
    this.upstream[upset](id);
  }
}

function describeRow(row: object): string {
  const told = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  return told.map(([name, value]) => `${name}=${describeValue(value)}`).join(' ');
}

function describeValue(value: unknown): string {
  if (value instanceof Date) return `${(value.getTime() - Date.UTC(2026, 0, 1)) / 1000}s`;
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}
