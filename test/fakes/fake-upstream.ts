import type {
  Machine,
  MachineDetails,
  MachineOrder,
  MachineStatus,
  MigrationJob,
  SpotStatus,
} from '../../src/novita/novita-client.js';
import { NovitaError } from '../../src/novita/novita.errors.js';
import type { Scheduler } from './scheduler.js';
import type { SeededRandom } from './seeded-random.js';

interface Transition {
  readonly atMs: number;
  readonly status: MachineStatus;
  readonly error?: string;
}

/** One machine in the upstream's own books, which are the truth that the run is judged by. */
export interface UpstreamMachine {
  readonly id: string;
  readonly name: string;
  readonly clusterId: string;
  readonly billingMode: string;
  readonly createdAtMs: number;
  /** Until then no call shows it. */
  readonly hiddenUntilMs: number;
  /** Until then only a list of its name does: it falls between the pages of a longer one. */
  readonly leftOutUntilMs: number;
  status: MachineStatus;
  error: string;
  spotStatus: SpotStatus;
  reclaimAtMs: number | null;
  /** What was true before the latest action, and how long lists go on saying so. */
  staleStatus: MachineStatus;
  staleUntilMs: number;
  leftRunningAtMs: number;
  starts: number;
  /** It costs from the pull of its image on, until it is removed. */
  billedFromMs: number | null;
  removedAtMs: number | null;
  plan: Transition[];
  isRemoved: boolean;
}

/** How the upstream lies and fails; probabilities of a call, times in milliseconds. */
export interface UpstreamFaults {
  notSent: number;
  rateLimited: number;
  lostBefore: number;
  lostAfter: number;
  refusedAfter: number;
  doubled: number;
  ignored: number;
  partialList: number;
  flicker: number;
  noCapacity: number;
  migrateRefused: number;
  refused: number;
  badMachine: number;
  staleSpotFields: number;
  listLagMs: number;
  leftOutMs: number;
  nameListFails: number;
  staleMs: number;
  slow: number;
}

export const HONEST: UpstreamFaults = {
  notSent: 0,
  rateLimited: 0,
  lostBefore: 0,
  lostAfter: 0,
  refusedAfter: 0,
  doubled: 0,
  ignored: 0,
  partialList: 0,
  flicker: 0,
  noCapacity: 0,
  migrateRefused: 0,
  refused: 0,
  badMachine: 0,
  staleSpotFields: 0,
  listLagMs: 0,
  leftOutMs: 0,
  nameListFails: 0,
  staleMs: 0,
  slow: 0,
};

const FLICKERS_APART_MS = 60_000;
const BILLED_ENDS: readonly MachineStatus[] = ['removed', 'removing'];

/** A small cloud: it remembers machines, moves them through their life, bills them until they are removed, and lies as told. */
export class FakeUpstream {
  readonly machines = new Map<string, UpstreamMachine>();
  readonly jobs: MigrationJob[] = [];
  faults: UpstreamFaults = { ...HONEST };
  outageUntilMs = 0;
  /** How long every machine boots; by chance where it is null. */
  bootMs: number | null = null;
  /** Whether a spot machine can be had in a cluster. */
  hasSpot: (clusterId: string) => boolean = () => true;
  /** When a listing or a machine's own record was last read. */
  lastReadAtMs = 0;
  /** Names whose create was answered with a refusal although it was carried out. */
  readonly refusedYetMade = new Set<string>();
  /** Machines that a listing showed without an older one of the same name. */
  readonly shownAlone = new Set<string>();
  private created = 0;
  /** No machine is missing from two listings in a row; one in between may not have reached its reader, hence the time. */
  private readonly flickeredAtMs = new Map<string, number>();

  constructor(
    readonly scheduler: Scheduler,
    readonly random: SeededRandom,
  ) {}

  get isDown(): boolean {
    return this.scheduler.nowMs < this.outageUntilMs;
  }

  /** What exists still costs, also while it is stopped. */
  existing(): UpstreamMachine[] {
    return [...this.machines.values()].map((machine) => this.moved(machine)).filter(({ isRemoved }) => !isRemoved);
  }

  find(id: string): UpstreamMachine | null {
    const machine = this.machines.get(id);
    return machine === undefined ? null : this.moved(machine);
  }

  addForeign(name: string): void {
    const machine = this.add({ name, clusterId: 'cluster-a', billingMode: 'onDemand' });
    machine.plan = [];
    machine.status = 'running';
  }

  create(order: MachineOrder): UpstreamMachine {
    const { random } = this;
    if (this.isOut(order) || random.chance(this.faults.noCapacity))
      throw new NovitaError('no-capacity', 'refused', 'create', 'INSUFFICIENT_RESOURCE');
    if (random.chance(this.faults.refused)) throw this.refusal();
    const machine = this.add(order);
    this.planStart(machine);
    // Something on the way repeated the request.
    if (random.chance(this.faults.doubled))
      this.scheduler.after(random.between(500, 4000), null, `doubled ${order.name}`, () =>
        this.planStart(this.add(order)),
      );
    return machine;
  }

  list(name: string | undefined): { machines: Machine[]; complete: boolean } {
    if (name !== undefined && this.random.chance(this.faults.nameListFails))
      throw new NovitaError('unavailable', 'unknown', 'list', 'INTERNAL');
    const { nowMs } = this.scheduler;
    const shown = this.existing().filter((machine) => {
      const isListed = name === undefined ? machine.leftOutUntilMs <= nowMs : machine.name.includes(name);
      return machine.hiddenUntilMs <= nowMs && isListed;
    });
    this.lastReadAtMs = this.scheduler.nowMs;
    if (this.random.chance(this.faults.partialList)) {
      const machines = shown.filter(() => this.random.chance(0.5));
      return { machines: this.showAll(machines), complete: false };
    }
    const gone = name === undefined && this.random.chance(this.faults.flicker) ? this.chooseFlicker(shown) : null;
    if (gone !== null) this.flickeredAtMs.set(gone, this.scheduler.nowMs);
    const machines = shown.filter((machine) => machine.id !== gone);
    return { machines: this.showAll(machines), complete: true };
  }

  get(id: string): MachineDetails | null {
    const machine = this.visible(id);
    this.lastReadAtMs = this.scheduler.nowMs;
    if (machine === null) return null;
    const endpoint = `10.0.0.1:${20_000 + machine.starts}`;
    return {
      ...this.show(machine),
      endpoints: machine.status === 'running' ? [{ port: 8080, type: 'tcp', endpoint }] : [],
      ssh: null,
      jupyterUrl: null,
      webTerminalUrl: null,
      jobIds: [],
    };
  }

  start(id: string): void {
    const machine = this.known(id, 'start');
    if (machine.status !== 'exited') throw new NovitaError('wrong-state', 'refused', 'start', 'CONFLICT');
    if (machine.spotStatus === 'terminated' || this.isOut(machine) || this.random.chance(this.faults.noCapacity))
      throw new NovitaError('no-capacity', 'refused', 'start', 'INSUFFICIENT_RESOURCE');
    if (this.random.chance(this.faults.refused)) throw this.refusal();
    if (this.random.chance(this.faults.ignored)) return;
    this.planStart(machine);
  }

  migrate(id: string): void {
    const machine = this.known(id, 'migrate');
    if (machine.status !== 'exited') throw new NovitaError('wrong-state', 'refused', 'migrate', 'CONFLICT');
    if (this.isOut(machine) || this.random.chance(this.faults.migrateRefused))
      throw new NovitaError('no-capacity', 'refused', 'migrate', 'MIGRATE_INSUFFICIENT_RESOURCE');
    const job = { id: `job-${this.jobs.length + 1}`, novitaId: id, type: 'instanceMigrate' };
    const createdAt = new Date(this.scheduler.nowMs);
    if (this.random.chance(this.faults.badMachine)) {
      // It stays in `migrating` for ever; the job says so, or goes on for ever as well.
      this.change(machine, 'migrating');
      machine.plan = [];
      this.jobs.push({ ...job, createdAt, state: this.random.pick(['fail', 'running'] as const) });
      return;
    }
    // Nobody knows whether what was said of the former life is taken back.
    const isStale = this.random.chance(this.faults.staleSpotFields);
    machine.spotStatus = isStale ? this.random.pick(['notified', 'terminated'] as const) : '';
    if (!isStale) machine.reclaimAtMs = null;
    this.jobs.push({ ...job, createdAt, state: 'success' });
    this.planStart(machine);
  }

  stop(id: string): void {
    const machine = this.known(id, 'stop');
    if (machine.status !== 'running') throw new NovitaError('wrong-state', 'refused', 'stop', 'CONFLICT');
    if (this.random.chance(this.faults.ignored)) return;
    this.change(machine, 'stopping');
    machine.plan = [{ atMs: this.in(200, 4000), status: 'exited' }];
  }

  restart(id: string): void {
    const machine = this.known(id, 'restart');
    if (machine.status !== 'running') throw new NovitaError('wrong-state', 'refused', 'restart', 'CONFLICT');
    if (this.random.chance(this.faults.ignored)) return;
    this.planRestart(machine);
  }

  delete(id: string): void {
    const machine = this.known(id, 'delete');
    // The answer is 200 and the machine lives on.
    if (this.random.chance(this.faults.ignored)) return;
    machine.staleUntilMs = 0;
    this.remove(machine);
  }

  /** The container ends by itself. */
  exit(id: string): void {
    const machine = this.find(id);
    if (machine?.status !== 'running') return;
    this.change(machine, 'exited');
    machine.plan = [];
  }

  /** A spot machine is taken back: it exits, and some time later it is gone. */
  reclaim(id: string): void {
    const machine = this.find(id);
    if (machine === null || machine.isRemoved) return;
    // Only spot machines are taken back; another one just ends.
    if (machine.billingMode !== 'spot') return this.exit(id);
    machine.spotStatus = 'terminated';
    machine.reclaimAtMs ??= this.scheduler.nowMs;
    this.change(machine, 'exited');
    machine.plan = this.random.chance(0.5) ? [{ atMs: this.in(5000, 60_000), status: 'removed' }] : [];
  }

  /** A spot machine is announced to be taken back; sometimes the announcement is taken back. */
  notice(id: string): void {
    this.announce(id, this.random.between(2000, 60_000), this.random.chance(0.8));
  }

  announce(id: string, inMs: number, isMeant = true): void {
    const machine = this.find(id);
    if (machine?.status !== 'running' || machine.billingMode !== 'spot') return;
    machine.spotStatus = 'notified';
    machine.reclaimAtMs = this.scheduler.nowMs + inMs;
    this.scheduler.after(inMs, null, `end of notice of ${id}`, () => {
      if (machine.spotStatus !== 'notified' || machine.isRemoved) return;
      if (isMeant) this.reclaim(id);
      else Object.assign(machine, { spotStatus: 'running', reclaimAtMs: null });
    });
  }

  /** Somebody restarts a machine in the provider's console. */
  restartBehind(id: string): void {
    const machine = this.find(id);
    if (machine?.status === 'running') this.planRestart(machine);
  }

  /** The provider moves a machine by itself. */
  moveAway(id: string): void {
    const machine = this.find(id);
    if (machine?.status !== 'running') return;
    this.change(machine, 'migrating');
    machine.starts += 1;
    machine.plan = [{ atMs: this.in(500, 20_000), status: 'running' }];
  }

  vanish(id: string): void {
    const machine = this.find(id);
    if (machine !== null) this.remove(machine);
  }

  private isOut({ billingMode, clusterId }: Pick<UpstreamMachine, 'billingMode' | 'clusterId'>): boolean {
    return billingMode === 'spot' && !this.hasSpot(clusterId);
  }

  private refusal(): NovitaError {
    const { random } = this;
    return random.pick([
      new NovitaError('quota', 'refused', 'create', 'CREATE_INSTANCE_LIMIT'),
      new NovitaError('balance', 'refused', 'create', 'BALANCE_NOT_ENOUGH'),
      new NovitaError('invalid', 'refused', 'create', null),
    ]);
  }

  private add({ name, clusterId, billingMode }: Pick<MachineOrder, 'name' | 'clusterId' | 'billingMode'>) {
    this.created += 1;
    const nowMs = this.scheduler.nowMs;
    const machine: UpstreamMachine = {
      id: `m${this.created}`,
      name,
      clusterId,
      billingMode,
      createdAtMs: nowMs,
      hiddenUntilMs: nowMs + this.random.fraction() * this.faults.listLagMs,
      leftOutUntilMs: nowMs + this.random.fraction() * this.faults.leftOutMs,
      status: 'creating',
      error: '',
      spotStatus: '',
      reclaimAtMs: null,
      staleStatus: 'creating',
      staleUntilMs: 0,
      leftRunningAtMs: 0,
      starts: 0,
      billedFromMs: null,
      removedAtMs: null,
      plan: [],
      isRemoved: false,
    };
    this.machines.set(machine.id, machine);
    return machine;
  }

  private planStart(machine: UpstreamMachine): void {
    const [pullingMs, startingMs, runningMs] = this.bootTimes();
    const isNew = machine.starts === 0;
    machine.starts += 1;
    if (!isNew) this.change(machine, 'starting');
    const plan: Transition[] = isNew
      ? [
          { atMs: pullingMs, status: 'pulling' },
          { atMs: startingMs, status: 'starting' },
        ]
      : [];
    if (!this.random.chance(this.faults.badMachine)) plan.push({ atMs: runningMs, status: 'running' });
    else if (this.random.chance(0.6)) {
      const error = this.random.pick(['FAILED: image pull', '', 'FAILED: INSUFFICIENT_RESOURCE']);
      plan.push({ atMs: runningMs, status: 'exited', error });
    }
    machine.plan = plan;
  }

  private planRestart(machine: UpstreamMachine): void {
    this.change(machine, 'restarting');
    machine.starts += 1;
    machine.plan = [{ atMs: this.in(200, 4000), status: 'running' }];
  }

  private bootTimes(): [pullingMs: number, startingMs: number, runningMs: number] {
    const { nowMs } = this.scheduler;
    if (this.bootMs !== null) return [nowMs + this.bootMs * 0.1, nowMs + this.bootMs * 0.8, nowMs + this.bootMs];
    const pullingMs = this.in(100, 2000);
    const startingMs = pullingMs + this.random.between(100, 4000);
    return [pullingMs, startingMs, startingMs + this.random.between(100, 2000)];
  }

  private showAll(shown: readonly UpstreamMachine[]): Machine[] {
    for (const { id, name, createdAtMs } of shown) {
      const older = this.existing().filter((one) => one.name === name && one.createdAtMs < createdAtMs);
      if (older.some((one) => !shown.includes(one))) this.shownAlone.add(id);
    }
    return shown.map((machine) => this.show(machine));
  }

  private chooseFlicker(shown: readonly UpstreamMachine[]): string | null {
    const candidates = shown.filter(
      ({ id }) => (this.flickeredAtMs.get(id) ?? -Infinity) < this.scheduler.nowMs - FLICKERS_APART_MS,
    );
    return candidates.length === 0 ? null : this.random.pick(candidates).id;
  }

  private change(machine: UpstreamMachine, status: MachineStatus): void {
    machine.staleStatus = machine.status;
    machine.staleUntilMs = this.scheduler.nowMs + this.random.fraction() * this.faults.staleMs;
    this.become(machine, status, this.scheduler.nowMs);
  }

  private become(machine: UpstreamMachine, status: MachineStatus, atMs: number): void {
    if (machine.status === 'running') machine.leftRunningAtMs = atMs;
    machine.status = status;
    if (status === 'pulling') machine.billedFromMs ??= atMs;
    if (!BILLED_ENDS.includes(status)) return;
    machine.isRemoved = true;
    machine.removedAtMs ??= atMs;
  }

  private remove(machine: UpstreamMachine): void {
    machine.plan = [];
    this.become(machine, 'removed', this.scheduler.nowMs);
  }

  private moved(machine: UpstreamMachine): UpstreamMachine {
    while (machine.plan[0] !== undefined && machine.plan[0].atMs <= this.scheduler.nowMs) {
      const { status, error = '', atMs } = machine.plan[0];
      machine.plan.shift();
      machine.error = error;
      this.become(machine, status, atMs);
    }
    return machine;
  }

  private visible(id: string): UpstreamMachine | null {
    const machine = this.find(id);
    return machine === null || machine.isRemoved || machine.hiddenUntilMs > this.scheduler.nowMs ? null : machine;
  }

  private known(id: string, call: string): UpstreamMachine {
    const machine = this.visible(id);
    if (machine === null) throw new NovitaError('not-found', 'refused', call, 'INSTANCE_NOT_FOUND');
    return machine;
  }

  private show(machine: UpstreamMachine): Machine {
    const status = this.scheduler.nowMs < machine.staleUntilMs ? machine.staleStatus : machine.status;
    return {
      id: machine.id,
      name: machine.name,
      status,
      rawStatus: status,
      statusError: machine.error,
      spotStatus: machine.spotStatus,
      reclaimAt: machine.reclaimAtMs === null ? null : new Date(machine.reclaimAtMs),
      clusterId: machine.clusterId,
      billingMode: machine.billingMode,
      createdAt: new Date(Math.floor(machine.createdAtMs / 1000) * 1000),
    };
  }

  private in(lowMs: number, highMs: number): number {
    return this.scheduler.nowMs + this.random.between(lowMs, highMs);
  }
}
