import { AppError } from '../../src/platform/app-error.js';
import { Settings } from '../../src/platform/config.js';
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
import { FakeUpstream, type UpstreamMachine } from '../fakes/fake-upstream.js';
import { type Actor, Scheduler } from '../fakes/scheduler.js';
import type { SeededRandom } from '../fakes/seeded-random.js';
import { Judge, OWN_PREFIX } from './judge.js';
import type { Mutant } from './mutants/mutant.js';
import { type Parts, Replica } from './replica.js';

const LOOK_FOR_DUE_WORK_EVERY_MS = 4000;

export interface FleetOptions {
  readonly settings: Settings;
  readonly mutant?: Mutant | null;
  /** How likely an answer travels on its own, and how likely others run between two statements of one transaction. */
  readonly slowAnswers?: number;
  readonly looseTransactions?: number;
  readonly observeEveryMs?: number;
}

/** The replicas of one simulated world with what they share: time, database, upstream, wake-ups, and the judge over all. */
export class Fleet {
  readonly scheduler: Scheduler;
  readonly database: FakeDatabase;
  readonly upstream: FakeUpstream;
  readonly judge: Judge;
  replicas: Replica[] = [];
  /** How likely a wake-up never comes, and how likely it takes its time. */
  lostWakes = 0;
  slowWakes = 0.1;
  /** How likely a replica is stopped when it has read a placement, so that it goes on with what has become old meanwhile. */
  stopsAfterRead = 0;
  private readonly settings: Settings;
  private readonly mutant: Mutant | null;
  private readonly observeEveryMs: number;
  private readonly memory = new Map<string, unknown>();
  private readonly waitingJobs = new Set<string>();
  private processes = 0;
  private killAt: { readonly step: number; readonly restartAfterMs: number } | null = null;

  constructor(
    private readonly random: SeededRandom,
    { settings, mutant = null, slowAnswers = 0, looseTransactions = 0, observeEveryMs = 1000 }: FleetOptions,
  ) {
    this.settings = settings;
    this.mutant = mutant;
    this.observeEveryMs = observeEveryMs;
    this.scheduler = new Scheduler(random, slowAnswers);
    this.database = new FakeDatabase(this.scheduler, random, looseTransactions);
    this.upstream = new FakeUpstream(this.scheduler, random);
    this.judge = new Judge(this.database, this.upstream, settings);
    this.database.onCommit = (committed) => this.judge.onCommit(committed);
    this.database.onPlacementRead = (actor) => {
      if (random.chance(this.stopsAfterRead)) this.stop(actor, random.between(500, 30_000));
    };
    this.database.onJobs = (jobs) => jobs.forEach((job) => this.queue(job));
  }

  /** Runs until `untilMs` or the first violation; `whenStepped` may look at each state in between and end the run. */
  async runUntil(untilMs: number, whenStepped: () => boolean = () => false): Promise<void> {
    while (
      this.judge.violations.length === 0 &&
      this.scheduler.nowMs < untilMs &&
      (await this.scheduler.step(untilMs))
    ) {
      this.judge.checkStep();
      if (this.killAt !== null && this.scheduler.steps >= this.killAt.step) this.killNow(this.killAt);
      if (whenStepped()) return;
    }
  }

  boot(): void {
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
    this.every(replica, this.observeEveryMs, 'observe', () => replica.observer.tick());
    if (!replica.parts.wakesDueWork) return;
    this.every(replica, LOOK_FOR_DUE_WORK_EVERY_MS, 'look for due work', () => replica.dueWork.wake());
    this.every(replica, LOOK_FOR_DUE_WORK_EVERY_MS, 'look for due migrations', () => replica.wakeDueMigrations());
  }

  /** One of them dies at once; another starts in its place after `restartAfterMs`. */
  kill(restartAfterMs: number): void {
    if (this.replicas.length === 0) return;
    const replica = this.random.pick(this.replicas);
    this.scheduler.note('world', `SIGKILL ${replica.actor.name}`);
    this.replicas = this.replicas.filter((one) => one !== replica);
    this.scheduler.kill(replica.actor);
    this.database.abortAllOf(replica.actor);
    this.scheduler.after(restartAfterMs, null, 'boot', () => this.boot());
  }

  /** Every replica dies after `steps` more steps of the world, wherever they are then. */
  killAtStep(steps: number, restartAfterMs: number): void {
    this.killAt = { step: this.scheduler.steps + steps, restartAfterMs };
  }

  pause(forMs: number): void {
    if (this.replicas.length > 0) this.stop(this.random.pick(this.replicas).actor, forMs);
  }

  private stop(actor: Actor, forMs: number): void {
    actor.pausedUntil = this.scheduler.nowMs + forMs;
    this.scheduler.note('world', `SIGSTOP ${actor.name} until ${actor.pausedUntil}`);
    // Postgres ends what idles inside a transaction.
    this.database.abortAllOf(actor);
  }

  /** A user asks one of the replicas. */
  request(ask: (service: Replica['service']) => Promise<unknown>, label: string): void {
    if (this.replicas.length === 0) return;
    this.scheduler.note('user', label);
    this.watch(ask(this.random.pick(this.replicas).service), label);
  }

  /** As the user of a world's only instance sees it: the instance says that it runs, and so does the machine that it names. */
  isRunning(): boolean {
    const [instance] = [...this.database.instances.values()];
    const placement = this.database.placements.get(instance?.currentPlacementId ?? '');
    if (instance?.phase !== 'running' || !placement?.novitaId) return false;
    return this.upstream.find(placement.novitaId)?.status === 'running';
  }

  /** All that were ever bought, also those that are gone. */
  ownMachines(): UpstreamMachine[] {
    const { machines } = this.upstream;
    return [...machines.keys()]
      .flatMap((id) => this.upstream.find(id) ?? [])
      .filter((one) => one.name.startsWith(OWN_PREFIX));
  }

  /** The rows and the upstream's books, for people. */
  describeRows(): string[] {
    const { database, upstream } = this;
    return [
      ...database.instances.values(),
      ...database.placements.values(),
      ...database.attempts.values(),
      ...upstream.machines.values(),
    ].map(describeRow);
  }

  describeSteps(): string[] {
    return this.scheduler.trace.map(({ at, actor, label }) => `${(at / 1000).toFixed(3)} ${actor} ${label}`);
  }

  private killNow({ restartAfterMs }: { restartAfterMs: number }): void {
    this.killAt = null;
    while (this.replicas.length > 0) this.kill(restartAfterMs);
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

  private queue(job: QueuedJob): void {
    if (this.waitingJobs.has(job.key)) return;
    if (this.random.chance(this.lostWakes)) return;
    this.waitingJobs.add(job.key);
    this.deliver(
      job,
      this.random.chance(this.slowWakes) ? this.random.between(0, 10_000) : this.random.between(0, 100),
    );
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
}

function describeRow(row: object): string {
  const told = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  return told.map(([name, value]) => `${name}=${describeValue(value)}`).join(' ');
}

function describeValue(value: unknown): string {
  if (value instanceof Date) return `${(value.getTime() - Date.UTC(2026, 0, 1)) / 1000}s`;
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}
