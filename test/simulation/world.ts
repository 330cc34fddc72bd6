import { loadSettings, Settings } from '../../src/platform/config.js';
import type { UserAction } from '../../src/instances/domain/decide-request.js';
import type { InstanceOrder } from '../../src/instances/domain/new-instance.js';
import { HONEST } from '../fakes/fake-upstream.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { Fleet } from './fleet.js';
import { OWN_PREFIX } from './judge.js';
import type { Mutant } from './mutants/mutant.js';

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
  private readonly settings: Settings;
  private readonly fleet: Fleet;
  private readonly ordered: string[] = [];
  private isCalm = false;

  constructor(
    private readonly seed: number,
    mutant: Mutant | null = null,
  ) {
    const random = new SeededRandom(seed);
    this.random = random;
    const slowAnswers = random.pick([0, 0.1, 0.4]);
    const looseTransactions = random.pick([0, 0.2, 0.6]);
    this.settings = new Settings({ ...BASE, orphanGraceMs: random.pick([0, 5000, 15_000]) });
    this.fleet = new Fleet(random, { settings: this.settings, mutant, slowAnswers, looseTransactions });
  }

  async run(): Promise<Outcome> {
    const { fleet } = this;
    this.setUp();
    await fleet.runUntil(fleet.scheduler.nowMs + this.random.between(20_000, 100_000));
    if (fleet.judge.violations.length === 0) await this.settle();
    return this.describe();
  }

  private describe(): Outcome {
    const { fleet, seed } = this;
    const { violations } = fleet.judge;
    const migrations = [...fleet.database.attempts.values()].map(({ cause, state }) => `${cause} ${state}`);
    const hasPassed = violations.length === 0;
    return {
      seed,
      violations,
      steps: fleet.scheduler.steps,
      migrations,
      lastSteps: hasPassed ? [] : fleet.describeSteps(),
      rows: hasPassed ? [] : fleet.describeRows(),
    };
  }

  private setUp(): void {
    const { random, fleet } = this;
    const { upstream, database } = fleet;
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
      migrateRefused: 0.5,
      refused: 0.05 * level * random.fraction(),
      badMachine: random.pick([0, 0.1, 0.4]),
      staleSpotFields: random.pick([0, 0.5]),
      listLagMs: random.pick([0, 2000, this.settings.visibilityWindowMs]),
      leftOutMs: random.pick([0, 30_000]),
      nameListFails: random.pick([0, 0, 1]) * level,
      staleMs: random.pick([0, 1000, 3000]),
      slow: random.pick([0, 0.1, 0.5]),
    };
    database.faults.failure = random.pick([0, 0, 0.01, 0.03]);
    fleet.lostWakes = random.pick([0, 0.1, 0.5]);
    fleet.stopsAfterRead = random.pick([0, 0.2]);
    upstream.addForeign('somebody-elses');
    upstream.addForeign('gpusvc-other-xyz-machine');
    for (let count = random.pick([1, 2, 2, 3]); count > 0; count -= 1) fleet.boot();
    for (let count = random.pick([1, 1, 2, 3]); count > 0; count -= 1) this.later(20_000, 'order', () => this.order());
    for (let count = random.below(7); count > 0; count -= 1) this.later(90_000, 'user', () => this.act());
    for (let count = random.below(3); count > 0; count -= 1)
      this.later(80_000, 'kill', () => fleet.kill(random.between(100, 20_000)));
    for (let count = random.below(3); count > 0; count -= 1)
      this.later(80_000, 'pause', () => fleet.pause(random.between(500, 60_000)));
    for (let count = random.below(4); count > 0; count -= 1) this.later(90_000, 'upset', () => this.upset());
    if (random.chance(0.2))
      this.later(90_000, 'outage', () => {
        upstream.outageUntilMs = fleet.scheduler.nowMs + random.between(1000, 40_000);
      });
  }

  /** Faults stop, every replica is up, time runs: whatever happened before, everything must come to where it belongs. */
  private async settle(): Promise<void> {
    const { fleet } = this;
    const { scheduler, judge, upstream } = fleet;
    this.isCalm = true;
    fleet.lostWakes = 0;
    fleet.stopsAfterRead = 0;
    upstream.faults = { ...HONEST, migrateRefused: 0.5 };
    upstream.outageUntilMs = 0;
    fleet.database.faults.failure = 0;
    for (const { actor } of fleet.replicas) actor.pausedUntil = 0;
    if (fleet.replicas.length === 0) fleet.boot();
    const giveUpAt = scheduler.nowMs + CALM_WITHIN_MS;
    let settledFor = 0;
    while (scheduler.nowMs < giveUpAt && settledFor < 3) {
      await fleet.runUntil(scheduler.nowMs + LOOK_EVERY_MS);
      if (judge.violations.length > 0) return;
      settledFor = judge.whatIsUnsettled() === null ? settledFor + 1 : 0;
    }
    const unsettled = judge.whatIsUnsettled();
    if (unsettled !== null) judge.report(`${CALM_WITHIN_MS / 1000} s after the last fault: ${unsettled}`);
  }

  private later(withinMs: number, label: string, run: () => void): void {
    this.fleet.scheduler.after(this.random.fraction() * withinMs, null, label, () => {
      if (!this.isCalm) run();
    });
  }

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
    this.fleet.request((service) => service.request(order, TEAM).then(({ id }) => void this.ordered.push(id)), 'order');
  }

  private act(): void {
    if (this.ordered.length === 0) return;
    const { random } = this;
    const action = random.pick<UserAction>(['start', 'stop', 'stop', 'restart', 'delete']);
    const id = random.pick(this.ordered);
    this.fleet.request((service) => service.act(action, id, TEAM), `${action} ${id}`);
  }

  private upset(): void {
    const { upstream, scheduler } = this.fleet;
    const own = upstream.existing().filter(({ name }) => name.startsWith(OWN_PREFIX));
    if (own.length === 0) return;
    const { id } = this.random.pick(own);
    const upset = this.random.pick([
      'exit',
      'reclaim',
      'reclaim',
      'notice',
      'notice',
      'moveAway',
      'restartBehind',
      'vanish',
    ] as const);
    scheduler.note('upstream', `${upset} ${id}`);
    upstream[upset](id);
  }
}
