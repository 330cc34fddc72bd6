import type { Instance } from './instance.js';
import type { Placement } from './placement.js';

/** Of an instance, what a list shows. */
export type InstanceGlance = Pick<
  Instance,
  | 'id'
  | 'name'
  | 'phase'
  | 'gpuNum'
  | 'region'
  | 'productName'
  | 'billingMode'
  | 'labels'
  | 'createdAt'
  | 'readyAt'
  | 'deletedAt'
>;

/** Of an instance, what an answer about it shows, and what decides who may see it. */
export type InstanceView = InstanceGlance &
  Pick<
    Instance,
    | 'teamId'
    | 'templateId'
    | 'rootfsSizeGb'
    | 'spotPolicy'
    | 'fallbackToOnDemand'
    | 'webhookUrl'
    | 'readiness'
    | 'connection'
    | 'reasonCode'
    | 'reasonMessage'
    | 'nextCheckAt'
    | 'version'
  >;

/** Of the machine that an instance has at the moment, what its answer shows. */
export type MachineView = Pick<
  Placement,
  | 'id'
  | 'version'
  | 'region'
  | 'productId'
  | 'billingMode'
  | 'pricePerHourMicros'
  | 'novitaId'
  | 'seenRawStatus'
  | 'lastSeenAt'
>;
