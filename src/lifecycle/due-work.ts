import { Injectable } from '@nestjs/common';
import { reconcileInstance, retirePlacement } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { Clock } from '../platform/clock.js';
import { Jobs } from '../platform/jobs/jobs.service.js';

const AT_ONCE = 500;

/** Finds in the rows what is due, whatever became of its job. */
@Injectable()
export class DueWork {
  private running = false;

  constructor(
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly jobs: Jobs,
    private readonly clock: Clock,
  ) {}

  async wake(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const now = this.clock.now();
      const instanceIds = await this.instances.listDueIds(now, AT_ONCE);
      await this.jobs.wakeAll(
        reconcileInstance,
        instanceIds.map((instanceId) => ({ instanceId })),
      );
      const placementIds = await this.placements.listDueRetirements(now, AT_ONCE);
      await this.jobs.wakeAll(
        retirePlacement,
        placementIds.map((placementId) => ({ placementId })),
      );
    } finally {
      this.running = false;
    }
  }
}
