import { defineJob } from '../platform/jobs/job.js';

/** Look at one instance and do what it needs next. When a zone is lost it is wanted for all of its instances in one moment. */
export const reconcileInstance = defineJob<{ instanceId: string }>(
  'reconcile-instance',
  60,
  ({ instanceId }) => instanceId,
  { givesWay: true },
);

/** Look at one instance that lost its machine or is about to, and do what brings it back. */
export const migrateInstance = defineJob<{ instanceId: string }>(
  'migrate-instance',
  60,
  ({ instanceId }) => instanceId,
);

/** Carry the deletion of one machine through until it is certain. */
export const retirePlacement = defineJob<{ placementId: string }>(
  'retire-placement',
  40,
  ({ placementId }) => placementId,
);
