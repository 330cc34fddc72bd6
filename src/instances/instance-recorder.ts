import { Injectable } from '@nestjs/common';
import { type Actor, isNotified, type NewEvent } from '../events/event.js';
import { EventsService } from '../events/events.service.js';
import { type StatementTx, together } from '../platform/database/statement.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { Random } from '../platform/random.js';
import { workSignals } from '../platform/telemetry/work-signals.js';
import { webhookBody } from '../webhooks/domain/payload.js';
import { Outbox } from '../webhooks/outbox.js';
import type { Change, EventDraft } from './domain/change.js';
import { type Instance, isMigrations, machineDeadlineOf, statusOf, waysInOf } from './domain/instance.js';
import type { Placement } from './domain/placement.js';
import { InstanceMemory } from './instance-memory.js';
import { migrateInstance, reconcileInstance, retirePlacement } from './instances.jobs.js';
import { InstancesRepository } from './instances.repository.js';
import { PlacementsRepository } from './placements.repository.js';

class SomeoneWasFresher extends Error {}

/** The "record" of read, decide, act, record: one short transaction, guarded by the versions that were read. */
@Injectable()
export class InstanceRecorder {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly events: EventsService,
    private readonly outbox: Outbox,
    private readonly jobs: Jobs,
    private readonly random: Random,
    private readonly memory: InstanceMemory,
  ) {}

  /** The instance as stored; null when another writer came first: nothing was written, and what was decided is void. */
  async record(change: Change): Promise<Instance | null> {
    try {
      const stored = await this.unitOfWork.runStatements((tx) => this.write(change, tx));
      this.memory.forget(stored);
      tellOf(change);
      return stored;
    } catch (error) {
      if (!(error instanceof SomeoneWasFresher)) throw error;
      workSignals.overtaken.tell({ record: 'instance' });
      return null;
    }
  }

  /** @param apart where `alongside` may have to wait for others, which nobody else should share */
  async recordNew(
    instance: Instance,
    actor: Actor,
    alongside?: (tx: StatementTx) => Promise<void>,
    { apart = false } = {},
  ): Promise<Instance> {
    const event = this.toEvent({ type: 'instance.requested', actor }, null, instance);
    const inserted = { ...instance, eventSequence: event.sequence };
    const write = (tx: StatementTx) =>
      together([
        alongside?.(tx),
        this.instances.insert(inserted, tx),
        this.writeEvent(event, inserted, tx),
        this.jobs.enqueue(reconcileInstance, { instanceId: instance.id }, tx),
      ]);
    await (apart ? this.unitOfWork.runStatements(write) : this.unitOfWork.runAmongOthers(write));
    this.memory.forget(inserted);
    workSignals.eventRecorded.tell({ type: event.type });
    return inserted;
  }

  placementsOf(instanceId: string): Promise<Placement[]> {
    return this.placements.listOf(instanceId);
  }

  private async write(
    { before, after, bought, placements = [], event: given, alongside }: Change,
    tx: StatementTx,
  ): Promise<Instance> {
    const draft = given ?? (before.phase === after.phase ? null : PROGRESS);
    const event = draft && this.toEvent(draft, before, after);
    const row = { ...after, version: before.version, eventSequence: event?.sequence ?? before.eventSequence };
    if (!(await this.instances.update(row, tx))) throw new SomeoneWasFresher();
    await together([
      bought && this.placements.insert(bought, tx),
      ...placements.map((placement) => ensureFresh(this.placements.update(placement, tx))),
      ...placements.filter(isRetiring).map(({ id }) => this.jobs.enqueue(retirePlacement, { placementId: id }, tx)),
      event && this.writeEvent(event, after, tx),
      this.wake(before, after, tx),
      alongside?.(tx),
    ]);
    return { ...row, version: before.version + 1 };
  }

  private async wake(before: Instance, after: Instance, tx: StatementTx): Promise<void> {
    const payload = { instanceId: after.id };
    const job = isMigrations(after.phase) ? migrateInstance : reconcileInstance;
    await together([
      isDue(after) && this.jobs.enqueue(job, payload, tx, machineDeadlineOf(after)),
      endsRecovery(before, after) && this.jobs.enqueue(migrateInstance, payload, tx),
    ]);
  }

  private async writeEvent(event: NewEvent, instance: Instance, tx: StatementTx): Promise<void> {
    await together([
      this.events.record(event, tx),
      event.body !== null && this.outbox.add(event, instance.webhookUrl, tx),
    ]);
  }

  private toEvent(draft: EventDraft, before: Instance | null, after: Instance): NewEvent {
    const occurredAt = after.updatedAt;
    return {
      id: `evt_${this.random.ulid(occurredAt)}`,
      instanceId: after.id,
      teamId: after.teamId,
      sequence: (before?.eventSequence ?? 0) + 1,
      type: draft.type,
      actor: draft.actor,
      fromPhase: before?.phase ?? null,
      toPhase: after.phase,
      reasonCode: after.reasonCode,
      data: { ...(after.reasonMessage === null ? {} : { message: after.reasonMessage }), ...draft.data },
      body: isNotified(draft.type) ? toBody(draft, after, occurredAt) : null,
      occurredAt,
    };
  }
}

async function ensureFresh(isWritten: Promise<boolean>): Promise<void> {
  if (!(await isWritten)) throw new SomeoneWasFresher();
}

function isRetiring({ state }: Placement): boolean {
  return state === 'retiring';
}

/** What others count, once it is committed. */
function tellOf({ before, after, event }: Change): void {
  const type = event?.type ?? (before.phase === after.phase ? null : PROGRESS.type);
  if (type !== null) workSignals.eventRecorded.tell({ type });
  if (before.readyAt === null && after.readyAt !== null)
    workSignals.instanceReady.tell({ afterMs: after.readyAt.getTime() - after.createdAt.getTime() });
}

const PROGRESS: EventDraft = { type: 'instance.progressed', actor: 'service' };

function isDue(instance: Instance): boolean {
  return instance.nextCheckAt !== null && instance.nextCheckAt <= instance.updatedAt;
}

/** Brought back, handed over to a successor, or no longer wanted: the migration closes its books. */
function endsRecovery(before: Instance, after: Instance): boolean {
  if (after.phase === 'running' && before.currentPlacementId !== after.currentPlacementId) return true;
  return before.lostAt !== null && (after.lostAt === null || after.phase === 'failed' || after.phase === 'deleting');
}

function toBody({ type, migration, reclaim }: EventDraft, instance: Instance, occurredAt: Date): string | null {
  if (!isNotified(type)) return null;
  const { id, name, phase, reasonCode, reasonMessage } = instance;
  const connection = waysInOf(instance);
  const tellsError = type === 'instance.failed' || type === 'instance.migration_failed';
  return webhookBody({
    type,
    occurredAt,
    instance: {
      id,
      name,
      // Also where a successor takes over in the same moment: that the machine is gone is what is told.
      status: type === 'instance.exited' ? 'exited' : statusOf(phase),
      connectionDetails: connection && {
        ...(connection.ssh === null ? {} : { ssh: connection.ssh }),
        ...(connection.jupyter === null ? {} : { jupyter: connection.jupyter }),
      },
    },
    ...(tellsError
      ? { error: { code: reasonCode ?? 'INTERNAL_ERROR', message: reasonMessage ?? 'The instance failed' } }
      : {}),
    ...(migration === undefined ? {} : { migration }),
    ...(reclaim === undefined ? {} : { reclaim }),
  });
}
