import { Registry } from 'prom-client';
import type { EventsService } from '../../src/events/events.service.js';
import type { InstanceMemory } from '../../src/instances/instance-memory.js';
import { InstanceRecorder } from '../../src/instances/instance-recorder.js';
import { migrateInstance, reconcileInstance, retirePlacement } from '../../src/instances/instances.jobs.js';
import type { InstancesRepository } from '../../src/instances/instances.repository.js';
import { InstancesService } from '../../src/instances/instances.service.js';
import type { PlacementsRepository } from '../../src/instances/placements.repository.js';
import type { OrderCaps } from '../../src/instances/order-caps.js';
import type { StartTimes } from '../../src/instances/start-times.js';
import type { DeploymentIdentity } from '../../src/lifecycle/deployment-identity.repository.js';
import { DueWork } from '../../src/lifecycle/due-work.js';
import { Handover } from '../../src/lifecycle/handover.js';
import { InstanceReconciler } from '../../src/lifecycle/instance-reconciler.js';
import { MachineBuyer } from '../../src/lifecycle/machine-buyer.js';
import { MachineObserver } from '../../src/lifecycle/machine-observer.js';
import { MachineOperator } from '../../src/lifecycle/machine-operator.js';
import { OrphanSweeper } from '../../src/lifecycle/orphan-sweeper.js';
import type { OrphansRepository } from '../../src/lifecycle/orphans.repository.js';
import { PlacementRetirer } from '../../src/lifecycle/placement-retirer.js';
import type { ReadinessProbe } from '../../src/lifecycle/readiness-probe.js';
import type { SweepRepository } from '../../src/lifecycle/sweep.repository.js';
import type { AttemptsRepository } from '../../src/migration/attempts.repository.js';
import type { ListingTimes } from '../../src/migration/listing-times.repository.js';
import { MachineMover } from '../../src/migration/machine-mover.js';
import { MigrationExecutor } from '../../src/migration/migration-executor.js';
import type { NovitaClient } from '../../src/novita/novita-client.js';
import { Settings } from '../../src/platform/config.js';
import type { Leases } from '../../src/platform/database/leases.js';
import type { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import type { Jobs } from '../../src/platform/jobs/jobs.service.js';
import type { MetricsRegistry } from '../../src/platform/telemetry/metrics-registry.js';
import { Catalogue } from '../../src/pricing/catalogue.js';
import { PricingService } from '../../src/pricing/pricing.service.js';
import type { StockOutRepository } from '../../src/pricing/stock-out.repository.js';
import type { AddressGuard } from '../../src/webhooks/address-guard.js';
import type { Outbox } from '../../src/webhooks/outbox.js';
import type { FakeDatabase, QueuedJob } from '../fakes/fake-database.js';
import { FakeJobs } from '../fakes/fake-jobs.js';
import {
  FakeAttempts,
  FakeEvents,
  FakeInstances,
  FakeLeases,
  FakeMigrationDue,
  FakeOrphans,
  FakePlacements,
  FakeStockOuts,
  FakeSweeps,
  FakeUnitOfWork,
} from '../fakes/fake-repositories.js';
import type { Actor } from '../fakes/scheduler.js';

/** Everything a replica is given from outside; a mutant exchanges one of them. */
export interface Parts {
  readonly settings: Settings;
  readonly novita: NovitaClient;
  readonly instances: Pick<FakeInstances, keyof FakeInstances>;
  readonly placements: Pick<FakePlacements, keyof FakePlacements>;
  readonly sweeps: Pick<FakeSweeps, keyof FakeSweeps>;
  readonly orphans: Pick<FakeOrphans, keyof FakeOrphans>;
  readonly events: Pick<FakeEvents, keyof FakeEvents>;
  readonly leases: Pick<FakeLeases, keyof FakeLeases>;
  readonly jobs: Pick<FakeJobs, keyof FakeJobs>;
  readonly identity: Pick<DeploymentIdentity, 'id' | 'namePrefix'>;
  readonly wakesDueWork: boolean;
}

/** One process of the service: the real deciding and acting code over faked I/O. */
export class Replica {
  readonly recorder: InstanceRecorder;
  readonly buyer: MachineBuyer;
  readonly operator: MachineOperator;
  readonly reconciler: InstanceReconciler;
  readonly retirer: PlacementRetirer;
  readonly observer: MachineObserver;
  readonly dueWork: DueWork;
  readonly service: InstancesService;
  readonly executor: MigrationExecutor;
  private readonly dueMigrations: FakeMigrationDue;

  constructor(
    readonly actor: Actor,
    readonly parts: Parts,
    private readonly database: FakeDatabase,
  ) {
    const { settings, novita } = parts;
    const { random, scheduler: clock } = database;
    const unitOfWork = new FakeUnitOfWork(database, actor) as unknown as UnitOfWork;
    const instances = parts.instances as unknown as InstancesRepository;
    const placements = parts.placements as unknown as PlacementsRepository;
    const sweeps = parts.sweeps as unknown as SweepRepository;
    const orphans = parts.orphans as unknown as OrphansRepository;
    const jobs = parts.jobs as unknown as Jobs;
    const events = parts.events as unknown as EventsService;
    const identity = parts.identity as unknown as DeploymentIdentity;
    const leases = parts.leases as unknown as Leases;
    const stockOuts = new FakeStockOuts(database, actor) as unknown as StockOutRepository;
    const outbox = { add: () => Promise.resolve() } as unknown as Outbox;
    const metrics = { registry: new Registry() } as MetricsRegistry;
    const probe = {
      ask: () => clock.pause(actor, 'probe').then(() => ({ isReady: random.chance(0.7), seen: 'HTTP 502' })),
    } as unknown as ReadinessProbe;

    const memory = { forget: () => undefined } as unknown as InstanceMemory;
    this.recorder = new InstanceRecorder(unitOfWork, instances, placements, events, outbox, jobs, random, memory);
    const catalogue = new Catalogue(novita);
    const pricing = new PricingService(catalogue, stockOuts, settings);
    this.buyer = new MachineBuyer(
      pricing,
      catalogue,
      novita,
      this.recorder,
      placements,
      identity,
      random,
      clock,
      settings,
    );
    this.operator = new MachineOperator(novita, this.recorder, probe, clock, settings);
    this.reconciler = new InstanceReconciler(
      instances,
      placements,
      sweeps,
      this.recorder,
      this.buyer,
      this.operator,
      new Handover(this.buyer, novita, this.recorder, placements, pricing, probe, clock, settings),
      jobs,
      pricing,
      clock,
      settings,
    );
    this.retirer = new PlacementRetirer(instances, placements, novita, this.buyer, unitOfWork, jobs, clock, settings);
    const sweeper = new OrphanSweeper(orphans, novita, instances, this.recorder, identity, clock, settings, metrics);
    this.observer = new MachineObserver(
      novita,
      instances,
      placements,
      sweeps,
      sweeper,
      leases,
      unitOfWork,
      jobs,
      clock,
      settings,
    );
    const attempts = new FakeAttempts(database, actor) as unknown as AttemptsRepository;
    const mover = new MachineMover(novita, this.recorder, attempts, clock, settings);
    this.executor = new MigrationExecutor(
      instances,
      placements,
      attempts,
      sweeps as unknown as ListingTimes,
      this.recorder,
      mover,
      clock,
      random,
      settings,
    );
    this.dueMigrations = new FakeMigrationDue(database, actor);
    this.dueWork = new DueWork(instances, placements, jobs, clock);
    const startTimes = {} as StartTimes;
    const guard = {} as AddressGuard;
    const caps = {} as OrderCaps;
    this.service = new InstancesService(
      instances,
      placements,
      this.recorder,
      startTimes,
      guard,
      caps,
      clock,
      random,
      settings,
    );
  }

  /** As the migration's schedule does. */
  async wakeDueMigrations(): Promise<void> {
    const due = await this.dueMigrations.listDue(this.database.scheduler.now(), 100);
    await this.parts.jobs.enqueueAll(
      migrateInstance,
      due.map(({ instanceId }) => ({ instanceId })),
    );
  }

  async handle({ name, payload }: QueuedJob): Promise<void> {
    if (name === reconcileInstance.name) await this.reconciler.reconcile(payload as { instanceId: string });
    else if (name === migrateInstance.name) await this.executor.migrate(payload as { instanceId: string });
    else if (name === retirePlacement.name) await this.retirer.retire(payload as { placementId: string });
  }
}
