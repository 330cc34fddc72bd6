import type { BillingMode, MachineStatus, MappedPort, SpotStatus } from '../../novita/novita-client.js';
import type { Offer } from '../../pricing/domain/offer.js';

/**
 * intended → confirmed → retiring → gone. `intended`: the name is committed, the machine may or may not exist yet.
 * `refused`: upstream said a clear no. `abandoned`: no answer, and no machine was seen for as long as one could be hidden.
 */
export type PlacementState = 'intended' | 'confirmed' | 'retiring' | 'gone' | 'refused' | 'abandoned';

/** One machine bought upstream for an instance, or about to be. */
export interface Placement {
  readonly id: string;
  readonly instanceId: string;
  readonly uniqueName: string;
  readonly state: PlacementState;
  readonly productId: string;
  readonly clusterId: string;
  readonly region: string;
  readonly billingMode: BillingMode;
  readonly gpuNum: number;
  readonly pricePerHourMicros: bigint;
  readonly ports: readonly MappedPort[];
  readonly novitaId: string | null;
  readonly createSentAt: Date | null;
  readonly outcomeUnknownSince: Date | null;
  readonly seenStatus: MachineStatus | null;
  /** The provider's own word for the status, also where it is `other`. */
  readonly seenRawStatus: string | null;
  readonly seenError: string | null;
  readonly seenSpotStatus: SpotStatus | null;
  readonly seenReclaimAt: Date | null;
  /** When the observation last changed; see `observedAt` for when it last held. */
  readonly lastSeenAt: Date | null;
  readonly missingSince: Date | null;
  readonly missingAt: Date | null;
  readonly billedFrom: Date | null;
  readonly billedTo: Date | null;
  readonly retireReason: string | null;
  readonly deleteSentAt: Date | null;
  readonly retireAttempts: number;
  readonly nextCheckAt: Date | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a listing of all machines is compared with. */
export type LivePlacement = Pick<
  Placement,
  | 'id'
  | 'instanceId'
  | 'uniqueName'
  | 'state'
  | 'billingMode'
  | 'novitaId'
  | 'seenStatus'
  | 'seenRawStatus'
  | 'seenError'
  | 'seenSpotStatus'
  | 'seenReclaimAt'
  | 'missingSince'
  | 'createdAt'
>;

/** May still exist upstream, so may still bill. */
export function isLive(placement: Placement): boolean {
  return placement.state === 'intended' || placement.state === 'confirmed' || placement.state === 'retiring';
}

export function newPlacement(
  instanceId: string,
  id: string,
  uniqueName: string,
  offer: Offer,
  machine: { readonly gpuNum: number; readonly ports: readonly MappedPort[] },
  now: Date,
): Placement {
  const { productId, clusterId, region, billingMode, pricePerHourMicros } = offer;
  return {
    id,
    instanceId,
    uniqueName,
    state: 'intended',
    productId,
    clusterId,
    region,
    billingMode,
    pricePerHourMicros,
    gpuNum: machine.gpuNum,
    ports: machine.ports,
    novitaId: null,
    createSentAt: now,
    outcomeUnknownSince: null,
    seenStatus: null,
    seenRawStatus: null,
    seenError: null,
    seenSpotStatus: null,
    seenReclaimAt: null,
    lastSeenAt: null,
    missingSince: null,
    missingAt: null,
    billedFrom: null,
    billedTo: null,
    retireReason: null,
    deleteSentAt: null,
    retireAttempts: 0,
    nextCheckAt: null,
    version: 1,
    createdAt: now,
    updatedAt: now,
  };
}

/** To be deleted upstream, and watched until that is certain. */
export function retire(placement: Placement, reason: string, now: Date): Placement {
  return { ...placement, state: 'retiring', retireReason: reason, nextCheckAt: now, updatedAt: now };
}

/**
 * The provider says of a machine that it will be taken back, and means the life that it has led since `runningSince`: what was
 * said of an earlier one may stay in its fields, and of an on-demand machine it means nothing.
 */
export function isReclaimAnnounced(
  { billingMode, seenStatus, seenSpotStatus, seenReclaimAt }: Placement,
  runningSince: Date,
): boolean {
  const isSaid = seenSpotStatus === 'notified' || seenSpotStatus === 'reclaiming';
  if (billingMode !== 'spot' || seenStatus !== 'running' || !isSaid) return false;
  return seenReclaimAt === null || seenReclaimAt > runningSince;
}

/** Until when what we know of a machine is known to hold. Null: it was never seen. */
export function observedAt(placement: Placement, sweptAt: Date | null): Date | null {
  if (placement.lastSeenAt === null) return null;
  const isMissing = placement.missingSince !== null;
  return isMissing || sweptAt === null || sweptAt < placement.lastSeenAt ? placement.lastSeenAt : sweptAt;
}
