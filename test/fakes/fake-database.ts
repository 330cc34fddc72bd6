import type { NewEvent } from '../../src/events/event.js';
import type { Instance } from '../../src/instances/domain/instance.js';
import type { Placement } from '../../src/instances/domain/placement.js';
import type { Attempt } from '../../src/migration/domain/attempt.js';
import type { Tx } from '../../src/platform/database/unit-of-work.js';
import { type Actor, BLOCKED, type Scheduler } from './scheduler.js';
import type { SeededRandom } from './seeded-random.js';

/** The connection is gone; whether the statement had its effect is not known. */
export class DatabaseUnavailable extends Error {}
/** A rule of the schema was broken: a unique key, a foreign key. */
export class ConstraintViolated extends Error {}

export interface QueuedJob {
  readonly name: string;
  readonly key: string;
  readonly payload: object;
}

export interface LeaseRow {
  holder: string;
  token: bigint;
  expiresAtMs: number;
}

export interface OrphanRow {
  readonly novitaId: string;
  readonly name: string;
  readonly instanceId: string | null;
  readonly firstSeenAt: Date;
  attempts: number;
  removedAt: Date | null;
}

/** What a commit brought, for those who watch over the run. */
export interface Committed {
  readonly instances: readonly { readonly before: Instance | null; readonly after: Instance }[];
  readonly placements: readonly { readonly before: Placement | null; readonly after: Placement }[];
  readonly attempts: readonly { readonly before: Attempt | null; readonly after: Attempt }[];
  readonly events: readonly NewEvent[];
}

/** Rows written but not committed, and the row locks held until then. */
export class Transaction {
  readonly instances = new Map<string, Instance>();
  readonly placements = new Map<string, Placement>();
  readonly attempts = new Map<string, Attempt>();
  readonly events: NewEvent[] = [];
  readonly jobs: QueuedJob[] = [];
  readonly stockOuts = new Map<string, Date>();
  readonly locks = new Set<string>();
  sweep: Date | null = null;
  isCommitting = false;
  state: 'open' | 'committed' | 'aborted' = 'open';

  constructor(readonly actor: Actor) {}
}

export interface DatabaseFaults {
  /** The statement is lost, or its answer is. */
  failure: number;
}

/**
 * As much of Postgres as decides races: read committed, row locks until the commit, all or nothing, unique keys, connections that
 * break before or after the effect. Each statement is a gate, so others run in between.
 */
export class FakeDatabase {
  readonly instances = new Map<string, Instance>();
  readonly placements = new Map<string, Placement>();
  readonly attempts = new Map<string, Attempt>();
  readonly events: NewEvent[] = [];
  readonly leases = new Map<string, LeaseRow>();
  readonly orphans = new Map<string, OrphanRow>();
  readonly stockOuts = new Map<string, Date>();
  sweptAt: Date | null = null;
  checksUniqueNames = true;
  readonly faults: DatabaseFaults = { failure: 0 };
  onCommit: (committed: Committed) => void = () => undefined;
  /** Told when a process has read a placement, before it learns what it read. */
  onPlacementRead: (actor: Actor) => void = () => undefined;
  onJobs: (jobs: readonly QueuedJob[]) => void = () => undefined;
  private readonly locks = new Map<string, Transaction>();
  private readonly waiting = new Map<Transaction, Transaction>();
  private open: Transaction[] = [];

  constructor(
    readonly scheduler: Scheduler,
    readonly random: SeededRandom,
    /** How likely others run between two statements of one transaction. */
    private readonly looseTransactions: number,
  ) {}

  /** One statement outside of a transaction. */
  async query<T>(actor: Actor, label: string, effect: () => T): Promise<T> {
    const fails = this.random.chance(this.faults.failure);
    const losesAnswer = fails && this.random.chance(0.5);
    const answer = this.scheduler.gate(actor, label, () => {
      if (fails && !losesAnswer) throw new DatabaseUnavailable(label);
      const result = effect();
      if (losesAnswer && result !== BLOCKED) throw new DatabaseUnavailable(label);
      return result;
    });
    return (await answer) as T;
  }

  /** A write of one row outside of a transaction is a transaction of its own. */
  async write<T>(actor: Actor, label: string, key: string | null, work: (tx: Transaction) => T): Promise<T> {
    return this.query(actor, label, () => {
      if (key !== null && this.locks.has(key)) return BLOCKED as T;
      const tx = new Transaction(actor);
      const result = work(tx);
      this.apply(tx);
      return result;
    });
  }

  async transaction<T>(actor: Actor, work: (tx: Tx) => Promise<T>): Promise<T> {
    const tx = new Transaction(actor);
    this.open.push(tx);
    try {
      await this.query(actor, 'begin', () => undefined);
      const result = await work(tx as unknown as Tx);
      tx.isCommitting = true;
      await this.query(actor, 'commit', () => this.commit(tx));
      return result;
    } catch (error) {
      this.abort(tx);
      throw error;
    }
  }

  /** One statement inside a transaction; `key` names the row it locks. */
  async statement<T>(given: Tx, label: string, key: string | null, effect: (tx: Transaction) => T): Promise<T> {
    const tx = asTransaction(given);
    const attempt = () => {
      if (tx.state !== 'open') throw new DatabaseUnavailable('The connection was closed');
      if (key !== null && !this.lock(tx, key)) return BLOCKED as T;
      return effect(tx);
    };
    if (!this.random.chance(this.looseTransactions) && (key === null || this.isFree(tx, key))) return attempt();
    return (await this.scheduler.gate(tx.actor, label, attempt)) as T;
  }

  /** A process that died or was stopped for long loses its transactions. */
  abortAllOf(actor: Actor): void {
    for (const tx of this.open.filter((one) => one.actor === actor)) {
      // A COMMIT that had left the process may still arrive.
      if (tx.isCommitting && this.random.chance(0.5)) this.commit(tx);
      else this.abort(tx);
    }
  }

  findInstance(id: string, tx?: Tx): Instance | null {
    return (tx && asTransaction(tx).instances.get(id)) ?? this.instances.get(id) ?? null;
  }

  findPlacement(id: string, tx?: Tx): Placement | null {
    return (tx && asTransaction(tx).placements.get(id)) ?? this.placements.get(id) ?? null;
  }

  placementsOf(instanceId: string): Placement[] {
    return [...this.placements.values()].filter((placement) => placement.instanceId === instanceId);
  }

  openAttemptOf(instanceId: string, butNot = ''): Attempt | null {
    for (const attempt of this.attempts.values())
      if (attempt.instanceId === instanceId && attempt.state === 'open' && attempt.id !== butNot) return attempt;
    return null;
  }

  private isFree(tx: Transaction, key: string): boolean {
    const holder = this.locks.get(key);
    return holder === undefined || holder === tx;
  }

  private lock(tx: Transaction, key: string): boolean {
    const holder = this.locks.get(key);
    if (holder === undefined || holder === tx) {
      this.locks.set(key, tx);
      tx.locks.add(key);
      this.waiting.delete(tx);
      return true;
    }
    if (this.waiting.get(holder) === tx) throw new DatabaseUnavailable('deadlock detected');
    this.waiting.set(tx, holder);
    return false;
  }

  private commit(tx: Transaction): void {
    if (tx.state !== 'open') throw new DatabaseUnavailable('The connection was closed');
    this.release(tx, 'committed');
    this.apply(tx);
  }

  private abort(tx: Transaction): void {
    if (tx.state === 'open') this.release(tx, 'aborted');
  }

  private release(tx: Transaction, state: 'committed' | 'aborted'): void {
    tx.state = state;
    this.open = this.open.filter((one) => one !== tx);
    for (const key of tx.locks) this.locks.delete(key);
    this.waiting.delete(tx);
    if (tx.locks.size > 0) this.scheduler.unblock();
  }

  private apply(tx: Transaction): void {
    this.checkKeys(tx);
    const committed: Committed = {
      instances: [...tx.instances.values()].map((after) => ({ before: this.instances.get(after.id) ?? null, after })),
      placements: [...tx.placements.values()].map((after) => ({
        before: this.placements.get(after.id) ?? null,
        after,
      })),
      attempts: [...tx.attempts.values()].map((after) => ({ before: this.attempts.get(after.id) ?? null, after })),
      events: tx.events,
    };
    for (const { after } of committed.instances) this.instances.set(after.id, after);
    for (const { after } of committed.placements) this.placements.set(after.id, after);
    for (const { after } of committed.attempts) this.attempts.set(after.id, after);
    for (const [place, until] of tx.stockOuts) this.stockOuts.set(place, until);
    if (tx.sweep !== null) this.sweptAt = tx.sweep;
    this.events.push(...tx.events);
    this.onCommit(committed);
    if (tx.jobs.length > 0) this.onJobs(tx.jobs);
  }

  private checkKeys(tx: Transaction): void {
    for (const placement of tx.placements.values())
      for (const other of this.placements.values()) {
        if (other.id === placement.id) continue;
        if (this.checksUniqueNames && other.uniqueName === placement.uniqueName)
          throw new ConstraintViolated('placements.unique_name');
        if (other.novitaId !== null && other.novitaId === placement.novitaId)
          throw new ConstraintViolated('placements.novita_id');
      }
    for (const attempt of tx.attempts.values())
      if (attempt.state === 'open' && this.openAttemptOf(attempt.instanceId, attempt.id) !== null)
        throw new ConstraintViolated('migration_attempts.one_open');
    for (const event of tx.events)
      if (
        this.events.some(({ instanceId, sequence }) => instanceId === event.instanceId && sequence === event.sequence)
      )
        throw new ConstraintViolated('events.sequence');
  }
}

export function asTransaction(tx: Tx): Transaction {
  return tx as unknown as Transaction;
}
