import { Injectable, Logger } from '@nestjs/common';
import type { Placement } from '../instances/domain/placement.js';
import { reconcileInstance, retirePlacement } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { HandlesJob } from '../platform/jobs/handles-job.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { decideRetirement, pauseMs } from './domain/decide-retirement.js';
import { type Limits, limitsOf } from './domain/limits.js';
import { MachineBuyer } from './machine-buyer.js';

/** Brings machines that nobody wants to their end: deleted, gone from two complete listings and not found either. It never gives up. */
@Injectable()
export class PlacementRetirer {
  private readonly logger = new Logger(PlacementRetirer.name);
  private readonly limits: Limits;

  constructor(
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly novita: NovitaClient,
    private readonly buyer: MachineBuyer,
    private readonly unitOfWork: UnitOfWork,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
    settings: Settings,
  ) {
    this.limits = limitsOf(settings);
  }

  @HandlesJob(retirePlacement)
  async retire({ placementId }: { placementId: string }): Promise<void> {
    const placement = await this.placements.find(placementId);
    if (placement?.state !== 'retiring') return;
    const now = this.clock.now();
    const next = decideRetirement(placement, now, this.limits);
    switch (next.kind) {
      case 'wait':
        if (placement.nextCheckAt === null || placement.nextCheckAt <= now)
          await this.save({ ...placement, nextCheckAt: next.until });
        return;
      case 'look-up':
        return this.lookUp(placement, now);
      case 'delete':
        return this.delete(placement, next.novitaId, now);
      case 'gone':
        return this.lookLast(placement, now);
    }
  }

  /** What the listings do not show is asked for by itself; however long the provider does not answer, it stays claimed. */
  private async lookLast(placement: Placement, now: Date): Promise<void> {
    const { id, novitaId, nextCheckAt } = placement;
    const answer = novitaId === null ? await this.buyer.lookLast(placement) : await this.lookAt(novitaId);
    if (answer === 'absent') return this.finish(placement, now);
    if (answer === 'found' && novitaId === null) return this.goOn(id, now);
    const isTurn = nextCheckAt === null || nextCheckAt <= now;
    if (answer === 'found' && novitaId !== null && isTurn) return this.delete(placement, novitaId, now);
    if (isTurn) await this.save({ ...placement, nextCheckAt: addMs(now, this.limits.pollMs) });
  }

  /** In the lane of the listings, which it completes: it ends no bill, and no order waits for it. */
  private async lookAt(novitaId: string): Promise<'absent' | 'found' | 'unclear'> {
    try {
      return (await this.novita.findMachine(novitaId, { lane: 'sweep' })) === null ? 'absent' : 'found';
    } catch (error) {
      if (error instanceof NovitaError) return 'unclear';
      throw error;
    }
  }

  /** Deleted before its create was answered: the machine may come to exist under its name. */
  private async lookUp(placement: Placement, now: Date): Promise<void> {
    const nextCheckAt = addMs(now, pauseMs(placement.retireAttempts, this.limits));
    if (!(await this.save({ ...placement, retireAttempts: placement.retireAttempts + 1, nextCheckAt }))) return;
    const novitaId = await this.buyer.findByName(placement.uniqueName);
    if (novitaId === null) return;
    await this.placements.keepNovitaId(placement.id, novitaId);
    await this.goOn(placement.id, now);
  }

  /** Its machine is known now: no pause between two looks stands in the way of its delete, unless somebody was faster. */
  private async goOn(placementId: string, now: Date): Promise<void> {
    const placement = await this.placements.find(placementId);
    if (placement?.state !== 'retiring' || placement.deleteSentAt !== null) return;
    if (!(await this.save({ ...placement, nextCheckAt: now }))) return;
    await this.jobs.enqueueAll(retirePlacement, [{ placementId }]);
  }

  /** That the delete is being sent is committed first; a second replica then leaves it alone. */
  private async delete(placement: Placement, novitaId: string, now: Date): Promise<void> {
    const attempts = placement.retireAttempts + 1;
    const nextCheckAt = addMs(now, pauseMs(attempts, this.limits));
    if (!(await this.save({ ...placement, deleteSentAt: now, retireAttempts: attempts, nextCheckAt }))) return;
    try {
      await this.novita.deleteMachine(novitaId, { lane: 'urgent', sendBefore: nextCheckAt });
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      if (error.outcome === 'not-sent') return this.takeBack(placement, attempts);
      // Not found is what we want; the listings have to agree before anything is believed.
      if (error.errorClass !== 'not-found')
        this.logger.warn(
          { placementId: placement.id, attempts, reason: error.message },
          'delete failed; it is tried again',
        );
    }
  }

  /** Nothing was sent: the row must not say so, and there is no effect to wait for. */
  private async takeBack(placement: Placement, retireAttempts: number): Promise<void> {
    const nextCheckAt = addMs(this.clock.now(), this.limits.repeatActionMs);
    await this.save({ ...placement, version: placement.version + 1, retireAttempts, nextCheckAt });
  }

  private async finish(placement: Placement, now: Date): Promise<void> {
    const gone: Placement = { ...placement, state: 'gone', billedTo: now, nextCheckAt: null };
    await this.unitOfWork.run(async (tx) => {
      // The instance before the placement, as everybody locks them.
      await this.instances.makeDue([placement.instanceId], now, tx);
      if (!(await this.placements.update(gone, tx))) return;
      await this.jobs.enqueue(reconcileInstance, { instanceId: placement.instanceId }, tx);
    });
  }

  private async save(placement: Placement): Promise<boolean> {
    return this.unitOfWork.run((tx) => this.placements.update({ ...placement, updatedAt: this.clock.now() }, tx));
  }
}
