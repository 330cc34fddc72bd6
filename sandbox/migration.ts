import type { Agenda } from './clock.ts';
import type { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';
import { holdsGpu } from './machine.ts';
import type { SeededRandom } from './random.ts';
import { machineId } from './random.ts';
import { invalidStateChange, Refusal } from './refusal.ts';
import type { Settings } from './settings.ts';
import { placeOf } from './stock.ts';

export type JobState = 'pulling' | 'running' | 'fail' | 'success' | 'break';

export interface Job {
  Id: string;
  type: 'instanceMigrate' | 'autoInstanceMigrate';
  instanceId: string;
  createdAt: number;
  state: JobState;
  error: string;
  errorMessage: string;
}

/** How migrations end: probabilities, the rest is `ok`. */
export interface MigrateBehaviour {
  refuse: number;
  /** The machine stays in `migrating` and the job goes on for ever. */
  stick: number;
  /** The machine stays in `migrating`, the job says `fail`. */
  fail: number;
  /** The job succeeds, the machine ends in `exited`. */
  exited: number;
  refuseReason: string;
}

type Ending = 'ok' | 'refuse' | 'stick' | 'fail' | 'exited';

/** Moves a machine to another node: same id, a background job, and several ways to go wrong. */
export class Migrations {
  readonly jobs: Job[] = [];
  readonly behaviour: MigrateBehaviour = {
    refuse: 0,
    stick: 0,
    fail: 0,
    exited: 0,
    refuseReason: 'MIGRATE_INSUFFICIENT_RESOURCE',
  };
  private readonly running = new Map<string, Job>();
  private readonly fleet: Fleet;
  private readonly agenda: Agenda;
  private readonly settings: Settings;
  private readonly random: SeededRandom;

  constructor(fleet: Fleet, agenda: Agenda, settings: Settings, random: SeededRandom) {
    this.fleet = fleet;
    this.agenda = agenda;
    this.settings = settings;
    this.random = random;
  }

  runningJob(machineId: string): Job | undefined {
    return this.running.get(machineId);
  }

  migrate(machine: Machine, at: number): void {
    const isAllowedStatus = machine.status === 'running' || machine.status === 'exited';
    if (!isAllowedStatus || this.running.has(machine.id)) throw invalidStateChange();
    if (machine.spotStatus === 'notified' || machine.spotStatus === 'reclaiming') throw invalidStateChange();
    const ending = this.drawEnding();
    if (ending === 'refuse') throw this.refusal();
    if (!holdsGpu(machine.status) && !this.fleet.stock.hasRoom(placeOf(machine), machine.order.gpuNum)) {
      throw new Refusal(400, 'MIGRATE_INSUFFICIENT_RESOURCE', 'no node with this specification is free');
    }
    this.move(machine, 'instanceMigrate', ending, at);
  }

  /** The platform moves a machine by itself, as it does when a node breaks. */
  autoMigrate(machine: Machine, at: number): void {
    this.move(machine, 'autoInstanceMigrate', 'ok', at);
  }

  private move(machine: Machine, type: Job['type'], ending: Ending, at: number): void {
    const job: Job = {
      Id: machineId(),
      type,
      instanceId: machine.id,
      createdAt: at,
      state: 'running',
      error: '',
      errorMessage: '',
    };
    this.jobs.push(job);
    this.running.set(machine.id, job);
    this.fleet.walkSoon(machine, [['migrating']], at);
    if (ending === 'stick') return;
    const endsAt = at + this.fleet.durationMs('actionLag') + this.fleet.durationMs('migrating');
    this.agenda.at(endsAt, (due) => this.finish(machine, job, ending, due));
  }

  private finish(machine: Machine, job: Job, ending: Ending, at: number): void {
    this.running.delete(machine.id);
    // Deleted, reclaimed or moved by hand meanwhile: the job has nothing left to do.
    if (machine.status !== 'migrating') job.state = 'break';
    else if (ending === 'fail')
      Object.assign(job, { state: 'fail', error: 'MIGRATE_FAILED', errorMessage: 'migrate instance failed' });
    else {
      job.state = 'success';
      if (ending === 'exited') this.fleet.walk(machine, [['exited']], at);
      else this.arrive(machine, at);
    }
  }

  private arrive(machine: Machine, at: number): void {
    renewSpotFields(machine, this.settings, at);
    this.fleet.walk(machine, [['running']], at);
  }

  private refusal(): Refusal {
    return new Refusal(400, this.behaviour.refuseReason, 'the instance cannot be migrated now');
  }

  private drawEnding(): Ending {
    let left = this.random.next();
    for (const ending of ['refuse', 'stick', 'fail', 'exited'] as const) {
      if (left < this.behaviour[ending]) return ending;
      left -= this.behaviour[ending];
    }
    return 'ok';
  }
}

/** What a successful start or migration does to the spot fields. */
export function renewSpotFields(machine: Machine, settings: Settings, at: number): void {
  if (machine.order.billingMode !== 'spot') return;
  machine.spotStatus = 'running';
  machine.spotReclaimTime = 0;
  machine.hidesReclaimTime = false;
  if (settings.protectAgain) machine.protectedUntil = at + settings.protectedSeconds * 1000;
}
