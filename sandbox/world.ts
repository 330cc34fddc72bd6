import { CLUSTERS, isOffered } from './catalogue.ts';
import { Agenda, VirtualClock } from './clock.ts';
import type { Step } from './fleet.ts';
import { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';
import { Migrations, renewSpotFields } from './migration.ts';
import type { Order } from './order.ts';
import { SeededRandom } from './random.ts';
import { insufficientResource, instanceNotFound, invalidStateChange, Refusal } from './refusal.ts';
import type { Settings } from './settings.ts';
import { defaultSettings } from './settings.ts';
import { SpotMarket } from './spot.ts';
import { placeOf } from './stock.ts';

export interface StartBehaviour {
  refuseProbability: number;
  /** For machines that a reclaim stopped; on top of the above. */
  refuseAfterReclaimProbability: number;
  reason: string;
}

/** The upstream as far as machines go: state, the passing of time, and what users of the API may do to it. */
export class World {
  readonly clock: VirtualClock;
  readonly settings: Settings = defaultSettings();
  readonly random = new SeededRandom();
  readonly agenda = new Agenda();
  readonly fleet = new Fleet(this.agenda, this.settings, this.random);
  readonly spot = new SpotMarket(this.fleet, this.agenda, this.settings);
  readonly migrations = new Migrations(this.fleet, this.agenda, this.settings, this.random);
  readonly startBehaviour: StartBehaviour = {
    refuseProbability: 0,
    refuseAfterReclaimProbability: 0,
    reason: 'INSUFFICIENT_RESOURCE',
  };

  constructor(realNow: () => number = Date.now) {
    this.clock = new VirtualClock(realNow);
  }

  /** Brings everything up to the present; every request begins with it. */
  settle(): number {
    const now = this.clock.now();
    this.agenda.runDue(now);
    return now;
  }

  create(order: Order): Machine {
    const at = this.clock.now();
    this.refuseUnpaid();
    this.refuseOverQuota();
    const clusterId = this.placeFor(order);
    if (clusterId === undefined) throw insufficientResource();
    const machine = this.fleet.add(order, clusterId, 'us', at);
    if (this.comesUp(order)) this.fleet.walk(machine, CREATION, at);
    else this.fleet.walk(machine, CREATION.slice(0, -1), at, (due) => this.failStartup(machine, due));
    this.fleet.show(machine, at);
    return machine;
  }

  /** A machine that is simply there, in any status, without having been ordered. */
  seed(order: Order, clusterId: string, owner: string, status: string): Machine {
    const at = this.clock.now();
    const machine = this.fleet.add(order, clusterId, owner, at);
    if (status === 'toCreate') this.fleet.walk(machine, CREATION, at);
    else this.fleet.setStatus(machine, status, at);
    this.fleet.roll.add(machine);
    return machine;
  }

  find(id: string): Machine | undefined {
    return this.fleet.machines.get(id);
  }

  get(id: string, whenMissing: 400 | 404): Machine {
    const machine = this.find(id);
    if (machine === undefined) throw instanceNotFound(whenMissing);
    return machine;
  }

  start(machine: Machine): void {
    this.refuseUnless(machine, 'exited');
    this.refuseUnpaid();
    this.refuseStart(machine);
    const at = this.clock.now();
    renewSpotFields(machine, this.settings, at);
    this.fleet.changed(machine);
    this.fleet.walkSoon(machine, [['toStart', 'toStart'], ['starting', 'starting'], ['running']], at);
  }

  stop(machine: Machine): void {
    this.refuseUnless(machine, 'running');
    this.fleet.walkSoon(
      machine,
      [
        ['toStop', 'toStop'],
        ['stopping', 'stopping'],
      ],
      this.clock.now(),
      (due) => {
        // A machine that its owner stopped must not look like a reclaimed one.
        Object.assign(machine, { spotStatus: '', spotReclaimTime: 0 });
        this.fleet.walk(machine, [['exited']], due);
      },
    );
  }

  restart(machine: Machine): void {
    this.refuseUnless(machine, 'running');
    this.fleet.walkSoon(
      machine,
      [['toRestart', 'toRestart'], ['restarting', 'restarting'], ['running']],
      this.clock.now(),
    );
  }

  migrate(machine: Machine): void {
    this.refuseUnpaid();
    this.migrations.migrate(machine, this.clock.now());
  }

  delete(machine: Machine): void {
    if (GOING.has(machine.status)) throw instanceNotFound(404);
    if (machine.order.billingMode === 'monthly') {
      throw new Refusal(400, 'PREPAID_INSTANCE_NOT_SUPPORT_RELEASE', 'a monthly instance cannot be released');
    }
    const leave = (due: number): void => {
      if (this.settings.durations.removed === 0) this.fleet.drop(machine, due);
      else this.linger(machine, due);
    };
    this.fleet.walkSoon(
      machine,
      [
        ['toRemove', 'toRemove'],
        ['removing', 'removing'],
      ],
      this.clock.now(),
      leave,
    );
  }

  private linger(machine: Machine, at: number): void {
    this.fleet.ledger.remove(machine.id, at);
    this.fleet.walk(machine, [['removed', 'removed']], at, (due) => this.fleet.drop(machine, due));
  }

  private failStartup(machine: Machine, at: number): void {
    const { state, message, endsIn } = this.settings.startupFailure;
    machine.statusError = { state, message };
    this.fleet.changed(machine);
    if (endsIn === 'exited') this.fleet.walk(machine, [['exited']], at);
  }

  private comesUp(order: Order): boolean {
    const { images, probability } = this.settings.startupFailure;
    return !images.some((image) => order.imageUrl.includes(image)) && !this.random.hits(probability);
  }

  /** The asked cluster, or any with room when none was asked. */
  private placeFor({ product, clusterId, billingMode, gpuNum }: Order): string | undefined {
    if (!product.deployable) return undefined;
    const wanted = clusterId === '' ? CLUSTERS.map((cluster) => cluster.id) : [clusterId];
    const open = wanted.filter(
      (id) =>
        isOffered(product, id) &&
        this.fleet.stock.hasRoom({ productId: product.id, clusterId: id, billingMode }, gpuNum),
    );
    return this.random.oneOf(open);
  }

  private refuseUnless(machine: Machine, status: string): void {
    if (machine.status !== status || this.migrations.runningJob(machine.id) !== undefined) throw invalidStateChange();
  }

  private refuseStart(machine: Machine): void {
    const { refuseProbability, refuseAfterReclaimProbability, reason } = this.startBehaviour;
    const wasReclaimed = machine.spotStatus === 'terminated';
    const isRefused =
      this.random.hits(refuseProbability) || (wasReclaimed && this.random.hits(refuseAfterReclaimProbability));
    if (isRefused) throw new Refusal(400, reason, 'start instance error');
    if (!this.fleet.stock.hasRoom(placeOf(machine), machine.order.gpuNum)) throw insufficientResource();
  }

  private refuseUnpaid(): void {
    if (this.settings.balance === 'empty') throw new Refusal(400, 'BALANCE_NOT_ENOUGH', 'balance not enough');
  }

  private refuseOverQuota(): void {
    const limit = this.settings.maxMachines;
    if (limit === null || this.fleet.machines.size < limit) return;
    throw new Refusal(400, 'CREATE_INSTANCE_LIMIT', 'instance quota exceeded', { limit: String(limit) });
  }
}

const CREATION: readonly Step[] = [
  ['toCreate', 'toCreate'],
  ['creating', 'creating'],
  ['pulling', 'pulling'],
  ['running'],
];
const GOING = new Set(['toRemove', 'removing', 'removed']);
