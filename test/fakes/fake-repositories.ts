import type { NewEvent } from '../../src/events/event.js';
import type { EventsService } from '../../src/events/events.service.js';
import {
  AT_REST_UNTIL_NEWS,
  IN_MOTION,
  type Instance,
  isMigrations,
  machineDeadlineOf,
  type Phase,
} from '../../src/instances/domain/instance.js';
import { isLive, isReclaimAnnounced, type Placement } from '../../src/instances/domain/placement.js';
import type { InstancesRepository } from '../../src/instances/instances.repository.js';
import type { PlacementsRepository } from '../../src/instances/placements.repository.js';
import type { Sighting } from '../../src/lifecycle/domain/compare-listing.js';
import type { Claim, OrphanSighting } from '../../src/lifecycle/domain/find-orphans.js';
import type { OrphansRepository } from '../../src/lifecycle/orphans.repository.js';
import type { SweepRepository } from '../../src/lifecycle/sweep.repository.js';
import type { AttemptsRepository } from '../../src/migration/attempts.repository.js';
import type { Attempt } from '../../src/migration/domain/attempt.js';
import type { History } from '../../src/migration/domain/decide-move.js';
import type { DueInstance, ExecutionsRepository } from '../../src/migration/executions.repository.js';
import type { HeldLease, Leases } from '../../src/platform/database/leases.js';
import type { StatementTx } from '../../src/platform/database/statement.js';
import type { Tx, UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { type Offer, placeOf } from '../../src/pricing/domain/offer.js';
import type { StockOutRepository } from '../../src/pricing/stock-out.repository.js';
import { ConstraintViolated, type FakeDatabase, type Transaction } from './fake-database.js';
import type { Actor } from './scheduler.js';

// What the lifecycle uses of each repository, over rows in memory. Each class is checked against the real one by `Pick`;
// where it is handed over it is cast, because the private fields of a class are part of its type.

const ENDED: readonly Phase[] = ['stopping', 'stopped', 'failed', 'deleting', 'deleted'];
const CALM = ['running', 'exited', 'other'];

export class FakeUnitOfWork implements Pick<UnitOfWork, 'run' | 'runStatements' | 'runAmongOthers'> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.database.transaction(this.actor, work);
  }

  runStatements<T>(work: (tx: StatementTx) => Promise<T>): Promise<T> {
    return this.run((tx) => work(tx as unknown as StatementTx));
  }

  runAmongOthers<T>(work: (tx: StatementTx) => Promise<T>): Promise<T> {
    return this.runStatements(work);
  }
}

export class FakeInstances implements Pick<
  InstancesRepository,
  'insert' | 'update' | 'makeDue' | 'find' | 'findForTeam' | 'listDueIds'
> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async insert(instance: Instance, tx: Tx): Promise<void> {
    await this.database.statement(tx, `insert ${instance.id}`, null, ({ instances }) => {
      instances.set(instance.id, instance);
    });
  }

  async update(instance: Instance, tx: Tx): Promise<boolean> {
    return this.database.statement(tx, `update ${instance.id}`, instance.id, ({ instances }) => {
      const known = this.database.findInstance(instance.id, tx);
      if (known?.version !== instance.version) return false;
      instances.set(instance.id, { ...instance, version: instance.version + 1 });
      return true;
    });
  }

  async makeDue(ids: readonly string[], now: Date, tx: Tx): Promise<void> {
    for (const id of ids)
      await this.database.statement(tx, `make ${id} due`, id, ({ instances }) => {
        const known = this.database.findInstance(id, tx);
        if (known === null || !AT_REST_UNTIL_NEWS.includes(known.phase)) return;
        if (known.nextCheckAt !== null && known.nextCheckAt > now) return;
        instances.set(id, { ...known, nextCheckAt: now, version: known.version + 1 });
      });
  }

  async find(id: string): Promise<Instance | null> {
    return this.database.query(this.actor, `read ${id}`, () => this.database.findInstance(id));
  }

  async findForTeam(id: string, teamId: string): Promise<Instance | null> {
    return this.database.query(this.actor, `find ${id}`, () => {
      const instance = this.database.findInstance(id);
      return instance?.teamId === teamId ? instance : null;
    });
  }

  async listDueIds(now: Date, limit: number): Promise<string[]> {
    return this.database.query(this.actor, 'due instances', () =>
      [...this.database.instances.values()]
        .filter(({ nextCheckAt, phase }) => nextCheckAt !== null && nextCheckAt <= now && !isMigrations(phase))
        .slice(0, limit)
        .map(({ id }) => id),
    );
  }
}

export class FakePlacements implements Pick<
  PlacementsRepository,
  'insert' | 'update' | 'keepNovitaId' | 'find' | 'listOf' | 'listLive' | 'isAnyInTransition' | 'listDueRetirements'
> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async insert(placement: Placement, tx: Tx): Promise<void> {
    await this.database.statement(tx, `insert ${placement.id}`, null, ({ placements }) => {
      placements.set(placement.id, placement);
    });
  }

  async update(placement: Placement, tx: Tx): Promise<boolean> {
    return this.database.statement(tx, `update ${placement.id} ${placement.state}`, placement.id, ({ placements }) => {
      const known = this.database.findPlacement(placement.id, tx);
      if (known === null || known.version !== placement.version) return false;
      const { state, outcomeUnknownSince, retireReason, deleteSentAt, retireAttempts, nextCheckAt } = placement;
      const { billedTo, updatedAt, version } = placement;
      placements.set(placement.id, {
        ...known,
        state,
        outcomeUnknownSince,
        retireReason,
        deleteSentAt,
        retireAttempts,
        nextCheckAt,
        billedTo,
        updatedAt,
        novitaId: placement.novitaId ?? known.novitaId,
        version: version + 1,
      });
      return true;
    });
  }

  async keepNovitaId(id: string, novitaId: string): Promise<void> {
    await this.database.write(this.actor, `keep ${novitaId} on ${id}`, id, ({ placements }) => {
      const known = this.database.findPlacement(id);
      if (known?.novitaId === null) placements.set(id, { ...known, novitaId, version: known.version + 1 });
    });
  }

  async find(id: string): Promise<Placement | null> {
    return this.database.query(this.actor, `read ${id}`, () => {
      this.database.onPlacementRead(this.actor);
      return this.database.findPlacement(id);
    });
  }

  async listOf(instanceId: string): Promise<Placement[]> {
    return this.database.query(this.actor, `placements of ${instanceId}`, () => this.database.placementsOf(instanceId));
  }

  async listLive(): Promise<Placement[]> {
    return this.database.query(this.actor, 'live placements', () =>
      [...this.database.placements.values()].filter(isLive),
    );
  }

  async isAnyInTransition(): Promise<boolean> {
    return this.database.query(this.actor, 'in transition', () =>
      [...this.database.placements.values()].some(
        ({ state, seenStatus, missingSince, instanceId }) =>
          state === 'intended' ||
          state === 'retiring' ||
          (state === 'confirmed' && this.isInMotion(instanceId)) ||
          (state === 'confirmed' && (seenStatus === null || !CALM.includes(seenStatus) || missingSince !== null)),
      ),
    );
  }

  private isInMotion(instanceId: string): boolean {
    const instance = this.database.instances.get(instanceId);
    return instance !== undefined && IN_MOTION.includes(instance.phase);
  }

  async listDueRetirements(now: Date, limit: number): Promise<string[]> {
    return this.database.query(this.actor, 'due retirements', () =>
      [...this.database.placements.values()]
        .filter(({ state, nextCheckAt }) => state === 'retiring' && nextCheckAt !== null && nextCheckAt <= now)
        .slice(0, limit)
        .map(({ id }) => id),
    );
  }
}

export class FakeAttempts implements Pick<
  AttemptsRepository,
  'findOpen' | 'save' | 'end' | 'isSkippedSince' | 'historyOf'
> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async findOpen(instanceId: string): Promise<Attempt | null> {
    return this.database.query(this.actor, `open attempt of ${instanceId}`, () =>
      this.database.openAttemptOf(instanceId),
    );
  }

  async save(attempt: Attempt, tx: Tx): Promise<void> {
    await this.database.statement(tx, `save ${attempt.id}`, attempt.id, ({ attempts }) => {
      attempts.set(attempt.id, attempt);
    });
  }

  async end(attempt: Attempt, tx: Tx): Promise<void> {
    await this.database.statement(tx, `end ${attempt.id}`, attempt.id, ({ attempts }) => {
      if (this.database.attempts.get(attempt.id)?.state === 'open') attempts.set(attempt.id, attempt);
    });
  }

  async isSkippedSince(instanceId: string, because: string, since: Date): Promise<boolean> {
    return this.database.query(this.actor, `skipped ${instanceId}`, () =>
      this.of(instanceId).some((one) => one.state === 'skipped' && one.because === because && one.startedAt >= since),
    );
  }

  async historyOf(instanceId: string, lostAt: Date | null, now: Date): Promise<History> {
    return this.database.query(this.actor, `history of ${instanceId}`, () => {
      const hourAgo = now.getTime() - 3_600_000;
      const over = this.of(instanceId).filter(({ state }) => state === 'migrated' || state === 'failed');
      const migrated = over.filter(({ state }) => state === 'migrated').map(({ endedAt }) => endedAt?.getTime() ?? 0);
      return {
        recentAttempts: over.filter(({ endedAt }) => (endedAt?.getTime() ?? 0) >= hourAgo).length,
        failuresSinceLoss: over.filter(
          ({ state, startedAt }) => state === 'failed' && lostAt !== null && startedAt >= lostAt,
        ).length,
        lastMigratedAt: migrated.length === 0 ? null : new Date(Math.max(...migrated)),
      };
    });
  }

  private of(instanceId: string): Attempt[] {
    return [...this.database.attempts.values()].filter((one) => one.instanceId === instanceId);
  }
}

/** The migration's side of looking for due work, as the one query of the executions' repository does it. */
export class FakeMigrationDue implements Pick<ExecutionsRepository, 'listDue'> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async listDue(now: Date, limit: number): Promise<DueInstance[]> {
    return this.database.query(this.actor, 'due migrations', () =>
      [...this.database.instances.values()]
        .filter((instance) => isDueForMigration(this.database, instance, now))
        .slice(0, limit)
        .map((instance) => ({ instanceId: instance.id, deadline: machineDeadlineOf(instance) })),
    );
  }
}

export function isDueForMigration(database: FakeDatabase, instance: Instance, now: Date): boolean {
  const { id, phase, phaseSince, nextCheckAt, noticePlacementId, currentPlacementId, replaceBy } = instance;
  if (isMigrations(phase)) return nextCheckAt !== null && nextCheckAt <= now;
  const open = database.openAttemptOf(id);
  if (open !== null && ENDED.includes(phase)) return true;
  if (phase !== 'running') return false;
  if (open !== null && (open.cause !== 'notice' || replaceBy === null)) return true;
  const placement = database.findPlacement(currentPlacementId ?? '');
  if (placement?.state !== 'confirmed') return false;
  if (placement.seenStatus === 'migrating') return true;
  return noticePlacementId !== placement.id && isReclaimAnnounced(placement, phaseSince);
}

export class FakeEvents implements Pick<EventsService, 'record'> {
  constructor(private readonly database: FakeDatabase) {}

  async record(event: NewEvent, tx: Tx): Promise<void> {
    await this.database.statement(tx, `event ${event.type}`, null, ({ events }) => {
      events.push(event);
    });
  }
}

export class FakeSweeps implements Pick<
  SweepRepository,
  'latestCompleteStart' | 'claimListing' | 'holdsLease' | 'writeSightings' | 'writeMissing'
> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async latestCompleteStart(): Promise<Date | null> {
    return this.database.query(this.actor, 'latest sweep', () => this.database.sweptAt);
  }

  async claimListing(lease: HeldLease, startedAt: Date, _completedAt: Date, _seen: number, tx: Tx): Promise<boolean> {
    return this.database.statement(tx, 'claim listing', 'sweep', (transaction) => {
      const { leases, sweptAt } = this.database;
      if (leases.get(lease.name)?.token !== lease.token || (sweptAt !== null && sweptAt >= startedAt)) return false;
      transaction.sweep = startedAt;
      return true;
    });
  }

  async holdsLease(lease: HeldLease, tx: Tx): Promise<boolean> {
    return this.database.statement(
      tx,
      'hold lease',
      'sweep',
      () => this.database.leases.get(lease.name)?.token === lease.token,
    );
  }

  async writeSightings(sightings: readonly Sighting[], seenAt: Date, tx: Tx): Promise<void> {
    for (const { placement, machine } of sightings)
      await this.database.statement(tx, `see ${placement.id} ${machine.status}`, placement.id, ({ placements }) => {
        const known = this.database.findPlacement(placement.id, tx);
        if (known === null || this.isOutdated(known, seenAt)) return;
        const bills = machine.status !== 'creating' && machine.status !== 'other';
        placements.set(known.id, {
          ...known,
          novitaId: known.novitaId ?? machine.id,
          version: known.novitaId === null ? known.version + 1 : known.version,
          seenStatus: machine.status,
          seenRawStatus: machine.rawStatus,
          seenError: machine.statusError,
          seenSpotStatus: machine.spotStatus,
          seenReclaimAt: machine.reclaimAt,
          lastSeenAt: seenAt,
          missingSince: null,
          missingAt: null,
          billedFrom: bills ? (known.billedFrom ?? seenAt) : known.billedFrom,
        });
      });
  }

  async writeMissing(placementIds: readonly string[], missingAt: Date, tx: Tx): Promise<void> {
    for (const id of placementIds)
      await this.database.statement(tx, `miss ${id}`, id, (transaction) => this.miss(id, missingAt, tx, transaction));
  }

  protected isOutdated({ lastSeenAt }: Placement, seenAt: Date): boolean {
    return lastSeenAt !== null && lastSeenAt > seenAt;
  }

  private miss(id: string, missingAt: Date, tx: Tx, { placements }: Transaction): void {
    const known = this.database.findPlacement(id, tx);
    if (known === null || (known.lastSeenAt !== null && known.lastSeenAt >= missingAt)) return;
    placements.set(id, { ...known, missingSince: known.missingSince ?? missingAt, missingAt });
  }
}

export class FakeOrphans implements Pick<
  OrphansRepository,
  'readClaims' | 'forgetOthers' | 'note' | 'recordTry' | 'recordRemoved'
> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async readClaims(names: readonly string[]): Promise<ReadonlyMap<string, Claim>> {
    return this.database.query(this.actor, 'claims', () => {
      const rows = [...this.database.placements.values()].filter(({ uniqueName }) => names.includes(uniqueName));
      return new Map(
        rows.map((row) => [
          row.uniqueName,
          { instanceId: row.instanceId, novitaId: row.novitaId, isLive: isLive(row) },
        ]),
      );
    });
  }

  async forgetOthers(novitaIds: readonly string[], seenAt: Date): Promise<void> {
    await this.database.query(this.actor, 'forget orphans', () => {
      for (const row of this.database.orphans.values())
        if (row.firstSeenAt < seenAt && !novitaIds.includes(row.novitaId)) row.removedAt ??= seenAt;
    });
  }

  async note(sightings: readonly OrphanSighting[], seenAt: Date, dueBefore: Date): Promise<OrphanSighting[]> {
    return this.database.query(this.actor, 'note orphans', () => {
      const { orphans } = this.database;
      for (const { machine, instanceId } of sightings)
        if (!orphans.has(machine.id)) {
          const row = { novitaId: machine.id, name: machine.name, instanceId, firstSeenAt: seenAt };
          orphans.set(machine.id, { ...row, attempts: 0, removedAt: null });
        }
      return sightings.filter(({ machine }) => {
        const row = orphans.get(machine.id);
        if (row !== undefined) row.removedAt = null;
        return row !== undefined && row.firstSeenAt <= dueBefore;
      });
    });
  }

  async recordTry({ machine }: OrphanSighting): Promise<void> {
    await this.database.query(this.actor, `orphan ${machine.id} tried`, () => {
      const row = this.database.orphans.get(machine.id);
      if (row === undefined) throw new ConstraintViolated('orphans');
      row.attempts += 1;
    });
  }

  async recordRemoved({ machine }: OrphanSighting, removedAt: Date): Promise<void> {
    await this.database.query(this.actor, `orphan ${machine.id} removed`, () => {
      const row = this.database.orphans.get(machine.id);
      if (row === undefined) throw new ConstraintViolated('orphans');
      row.removedAt = removedAt;
    });
  }
}

export class FakeStockOuts implements Pick<StockOutRepository, 'record' | 'listPlaces'> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async record(place: Pick<Offer, 'clusterId' | 'productId' | 'billingMode'>, until: Date, tx: Tx): Promise<void> {
    await this.database.statement(tx, 'stock out', null, ({ stockOuts }) => {
      stockOuts.set(placeOf(place), until);
    });
  }

  async listPlaces(now: Date): Promise<ReadonlySet<string>> {
    return this.database.query(this.actor, 'stock outs', () => {
      const known = [...this.database.stockOuts].filter(([, until]) => until > now);
      return new Set(known.map(([place]) => place));
    });
  }
}

export class FakeLeases implements Pick<Leases, 'acquire' | 'holdWhile' | 'release'> {
  constructor(
    private readonly database: FakeDatabase,
    private readonly actor: Actor,
  ) {}

  async acquire(name: string, ttlMs: number): Promise<HeldLease | null> {
    return this.database.query(this.actor, `lease ${name}`, () => {
      const { leases, scheduler } = this.database;
      const holder = this.actor.name;
      const row = leases.get(name);
      if (row !== undefined && row.holder !== holder && row.expiresAtMs >= scheduler.nowMs) return null;
      const token = row === undefined ? 1n : row.holder === holder ? row.token : row.token + 1n;
      leases.set(name, { holder, token, expiresAtMs: scheduler.nowMs + ttlMs });
      return { name, token };
    });
  }

  async holdWhile<T>(lease: HeldLease, ttlMs: number, work: () => Promise<T>): Promise<T> {
    let isOver = false;
    const prolong = () => {
      if (isOver) return;
      void this.acquire(lease.name, ttlMs).catch(() => null);
      this.database.scheduler.after(ttlMs / 4, this.actor, 'keep lease', prolong);
    };
    this.database.scheduler.after(ttlMs / 4, this.actor, 'keep lease', prolong);
    try {
      return await work();
    } finally {
      isOver = true;
    }
  }

  async release(lease: HeldLease): Promise<void> {
    await this.database.query(this.actor, 'release lease', () => {
      const row = this.database.leases.get(lease.name);
      if (row?.holder === this.actor.name && row.token === lease.token) row.expiresAtMs = this.database.scheduler.nowMs;
    });
  }
}
