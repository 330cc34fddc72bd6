import { defineJob } from '../platform/jobs/job.js';

/** Send what is due to one receiver. */
export const deliverWebhooks = defineJob<{ endpointId: string }>(
  'deliver-webhooks',
  40,
  ({ endpointId }) => endpointId,
);
