import type { Agenda } from './clock.ts';
import { Ledger } from './ledger.ts';
import type { Machine } from './machine.ts';
import { closesBilling, holdsGpu, newCredentials, newMachine, opensBilling, unitPrice } from './machine.ts';
import type { Order } from './order.ts';
import type { SeededRandom } from './random.ts';
import { Roll } from './roll.ts';
import type { Durations, Settings } from './settings.ts';
import { Stock } from './stock.ts';

/** A status and the duration that it lasts by; without one it lasts until something else happens. */
export type Step = readonly [status: string, lasts?: keyof Durations];

/** All machines, and the one place where a status changes: meter, stock, lists and ledger follow from there. */
export class Fleet {
  readonly machines = new Map<string, Machine>();
  readonly roll = new Roll();
  readonly stock = new Stock();
  readonly ledger = new Ledger();
  private readonly agenda: Agenda;
  private readonly settings: Settings;
  private readonly random: SeededRandom;
  private seq = 0;

  constructor(agenda: Agenda, settings: Settings, random: SeededRandom) {
    this.agenda = agenda;
    this.settings = settings;
    this.random = random;
  }

  add(order: Order, clusterId: string, owner: string, at: number): Machine {
    const machine = newMachine(order, clusterId, owner, this.seq++, at);
    this.machines.set(machine.id, machine);
    machine.protectedUntil = at + this.settings.protectedSeconds * 1000;
    this.ledger.add({
      id: machine.id,
      name: order.name,
      owner,
      clusterId,
      productId: order.product.id,
      gpuNum: order.gpuNum,
      billingMode: order.billingMode,
      pricePerHourMicros: unitPrice(machine) * 10 * order.gpuNum,
      status: '',
      spotStatus: machine.spotStatus,
      createdAt: at,
      billing: [],
      removedAt: null,
    });
    return machine;
  }

  /** Puts the machine on the list after the configured lags. */
  show(machine: Machine, at: number): void {
    machine.visibleInGetAt = at + this.lagMs(this.settings.getLagSeconds);
    machine.visibleInListAt = at + this.lagMs(this.settings.listLagSeconds);
    if (machine.visibleInListAt <= at) this.roll.add(machine);
    else this.agenda.at(machine.visibleInListAt, () => this.machines.has(machine.id) && this.roll.add(machine));
  }

  setStatus(machine: Machine, status: string, at: number): void {
    const hadGpu = holdsGpu(machine.status);
    const hasGpu = holdsGpu(status);
    machine.status = status;
    if (hasGpu && !hadGpu) this.stock.take(machine);
    if (!hasGpu && hadGpu) this.stock.giveBack(machine);
    if (opensBilling(status)) this.ledger.open(machine.id, at);
    if (closesBilling(status)) this.ledger.close(machine.id, at);
    this.noteRunning(machine, status, at);
    this.changed(machine);
  }

  /** Any change that lists or the ledger show. */
  changed(machine: Machine): void {
    machine.listJson = undefined;
    this.ledger.note(machine.id, machine.status, machine.spotStatus);
  }

  /** Replaces whatever the machine was about to do by these steps; `then` runs after the last one has lasted. */
  walk(machine: Machine, steps: readonly Step[], at: number, then?: (at: number) => void): void {
    const plan = ++machine.plan;
    const enter = (index: number, time: number): void => {
      if (machine.plan !== plan) return;
      const step = steps[index];
      if (step === undefined) return then?.(time);
      this.setStatus(machine, step[0], time);
      if (step[1] !== undefined) this.agenda.at(time + this.durationMs(step[1]), (due) => enter(index + 1, due));
    };
    enter(0, at);
  }

  /** As `walk`, but the first change shows only after `actionLag`. */
  walkSoon(machine: Machine, steps: readonly Step[], at: number, then?: (at: number) => void): void {
    const lag = this.durationMs('actionLag');
    if (lag === 0) return this.walk(machine, steps, at, then);
    const plan = ++machine.plan;
    this.agenda.at(at + lag, (due) => machine.plan === plan && this.walk(machine, steps, due, then));
  }

  /** Gone for good: not listed, 404 on get. The ledger keeps it. */
  drop(machine: Machine, at: number): void {
    machine.plan += 1;
    if (holdsGpu(machine.status)) this.stock.giveBack(machine);
    machine.status = 'removed';
    this.changed(machine);
    this.ledger.remove(machine.id, at);
    this.machines.delete(machine.id);
    this.roll.remove(machine);
  }

  durationMs(name: keyof Durations): number {
    const spread =
      this.settings.jitter === 0 ? 1 : this.random.between(1 - this.settings.jitter, 1 + this.settings.jitter);
    return Math.round(this.settings.durations[name] * 1000 * spread);
  }

  private noteRunning(machine: Machine, status: string, at: number): void {
    if (status === 'running') {
      Object.assign(machine, newCredentials());
      machine.runningSince = at;
      machine.lastStartedAt = at;
    } else if (status !== 'toStop' && status !== 'toRestart' && status !== 'toRemove') {
      machine.runningSince = null;
    }
    if (status === 'exited') machine.lastStoppedAt = at;
  }

  private lagMs(lag: number | [number, number]): number {
    return 1000 * (typeof lag === 'number' ? lag : this.random.between(lag[0], lag[1]));
  }
}
