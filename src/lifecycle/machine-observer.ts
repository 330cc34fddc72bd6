import { Injectable, Logger } from '@nestjs/common';
import type { LivePlacement } from '../instances/domain/placement.js';
import { reconcileInstance, retirePlacement } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { type MachineListing, NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { type HeldLease, Leases } from '../platform/database/leases.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { inTurns } from '../platform/in-turns.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { workSignals } from '../platform/telemetry/work-signals.js';
import { compareListing, type Comparison, indexMachines, newIndex } from './domain/compare-listing.js';
import { quickPauseMs, sweepPauseMs } from './domain/sweep-pace.js';
import { OrphanSweeper } from './orphan-sweeper.js';
import { SweepRepository } from './sweep.repository.js';

const LEASE = 'observer';
/** A dead observer is followed by another replica's within two polls, at most this. */
const LONGEST_LEASE_MS = 20_000;
const SHORTEST_LEASE_MS = 3_000;
const CHECK_EVERY_MS = 1_000;
/** One statement takes this many rows. */
const BATCH = 1000;

/** Sees all machines by one listing, one replica at a time, and wakes whoever a change concerns. */
@Injectable()
export class MachineObserver {
  private readonly logger = new Logger(MachineObserver.name);
  /** On the process's own clock; Infinity: another replica observes. */
  private dueAt = Infinity;
  private sweptAt = -Infinity;
  private checkAt = 0;
  private machines = 0;
  private running = false;
  private readonly leaseMs: number;

  constructor(
    private readonly novita: NovitaClient,
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly sweeps: SweepRepository,
    private readonly orphans: OrphanSweeper,
    private readonly leases: Leases,
    private readonly unitOfWork: UnitOfWork,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    this.leaseMs = Math.min(LONGEST_LEASE_MS, Math.max(SHORTEST_LEASE_MS, 2 * settings.lifecyclePollMs));
  }

  /** Called often; sweeps when a sweep is due and this replica holds the lease. */
  async tick(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (this.running || now < Math.min(this.dueAt, this.checkAt)) return;
    this.running = true;
    try {
      this.checkAt = now + Math.min(CHECK_EVERY_MS, this.settings.lifecyclePollMs / 5);
      const lease = await this.leases.acquire(LEASE, this.leaseMs);
      if (lease === null) this.dueAt = Infinity;
      else if (await this.isDue(now)) await this.sweep(lease);
    } finally {
      this.running = false;
    }
  }

  /** What was bought or given up since the last sweep brings the next one forward. */
  private async isDue(now: number): Promise<boolean> {
    if (this.dueAt === Infinity || now >= this.dueAt) return true;
    if (await this.placements.isAnyInTransition())
      this.dueAt = Math.min(this.dueAt, this.sweptAt + quickPauseMs(this.machines, this.settings));
    return now >= this.dueAt;
  }

  private async sweep(lease: HeldLease): Promise<void> {
    const live = await this.placements.listLive();
    const startedAt = this.clock.now();
    const listing = await this.list(lease);
    this.machines = listing?.machines.length ?? this.machines;
    this.sweptAt = this.clock.monotonicMs();
    const pauseMs =
      listing === null ? quickPauseMs(this.machines, this.settings) : sweepPauseMs(live, this.machines, this.settings);
    this.dueAt = this.sweptAt + pauseMs;
    if (listing === null) return;
    const comparison = await this.compare(live, listing, startedAt);
    if (!(await this.record(lease, comparison, listing, startedAt)))
      return workSignals.overtaken.tell({ record: 'listing' });
    await this.wake(comparison);
    if (listing.complete) await this.orphans.sweep(listing.machines, live, startedAt);
  }

  /** A listing that failed says nothing at all. */
  private async list(lease: HeldLease): Promise<MachineListing | null> {
    try {
      return await this.leases.holdWhile(lease, this.leaseMs, () => this.novita.listMachines({}, { lane: 'sweep' }));
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      this.logger.warn({ reason: error.message }, 'the listing failed; nothing is concluded from it');
      return null;
    }
  }

  private async compare(
    live: readonly LivePlacement[],
    { machines, complete }: MachineListing,
    startedAt: Date,
  ): Promise<Comparison> {
    const index = newIndex();
    await inTurns(machines, (some) => indexMachines(some, index));
    const parts: Comparison[] = [];
    await inTurns(live, (some) => parts.push(compareListing(some, index, complete, startedAt)));
    return { changed: parts.flatMap(({ changed }) => changed), missing: parts.flatMap(({ missing }) => missing) };
  }

  private async record(
    lease: HeldLease,
    comparison: Comparison,
    listing: MachineListing,
    startedAt: Date,
  ): Promise<boolean> {
    const { changed, missing } = comparison;
    const completedAt = this.clock.now();
    return this.unitOfWork.run(async (tx) => {
      const isMine = listing.complete
        ? await this.sweeps.claimListing(lease, startedAt, completedAt, listing.machines.length, tx)
        : await this.sweeps.holdsLease(lease, tx);
      if (!isMine) return false;
      // Instances before placements, as everybody locks them.
      for (const batch of batches(instancesOf(comparison))) await this.instances.makeDue(batch, completedAt, tx);
      for (const batch of batches(changed)) await this.sweeps.writeSightings(batch, startedAt, tx);
      const ids = missing.map(({ id }) => id);
      for (const batch of batches(ids)) await this.sweeps.writeMissing(batch, startedAt, tx);
      return true;
    });
  }

  private async wake(comparison: Comparison): Promise<void> {
    const retiring = concerned(comparison).filter(isRetiring);
    await this.jobs.enqueueAll(
      retirePlacement,
      retiring.map(({ id }) => ({ placementId: id })),
    );
    const ends = new Map(comparison.changed.map(({ placement, machine }) => [placement.instanceId, machine.reclaimAt]));
    await this.jobs.enqueueAll(
      reconcileInstance,
      instancesOf(comparison).map((instanceId) => ({ instanceId })),
      ({ instanceId }) => ends.get(instanceId) ?? null,
    );
  }
}

function concerned({ changed, missing }: Comparison): LivePlacement[] {
  return [...changed.map(({ placement }) => placement), ...missing];
}

function instancesOf(comparison: Comparison): string[] {
  const wanted = concerned(comparison).filter((placement) => !isRetiring(placement));
  return [...new Set(wanted.map(({ instanceId }) => instanceId))];
}

function isRetiring(placement: LivePlacement): boolean {
  return placement.state === 'retiring';
}

function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, index) =>
    items.slice(index * BATCH, (index + 1) * BATCH),
  );
}
