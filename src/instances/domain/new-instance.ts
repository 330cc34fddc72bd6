import type { BillingMode } from '../../novita/novita-client.js';
import { addMs } from '../../platform/clock.js';
import type { Instance, Readiness, SpotPolicy } from './instance.js';
import type { Labels } from './labels.js';

/** What a user asks for, checked and with its defaults. */
export interface InstanceOrder {
  readonly name: string;
  readonly productName: string;
  readonly templateId: string;
  readonly gpuNum: number;
  readonly rootfsSizeGb: number;
  readonly region: string;
  readonly webhookUrl: string | null;
  readonly billingMode: BillingMode;
  readonly spotPolicy: SpotPolicy;
  readonly fallbackToOnDemand: boolean;
  readonly readiness: Readiness | null;
  readonly labels: Labels;
}

export function newInstance(
  id: string,
  teamId: string,
  order: InstanceOrder,
  now: Date,
  queueTimeoutMs: number,
): Instance {
  return {
    ...order,
    id,
    teamId,
    desired: 'running',
    phase: 'queued',
    phaseSince: now,
    reasonCode: null,
    reasonMessage: null,
    deadlineAt: addMs(now, queueTimeoutMs),
    nextCheckAt: now,
    currentPlacementId: null,
    connection: null,
    action: null,
    actionSentAt: null,
    actionAnsweredAt: null,
    probeStartedAt: null,
    probeLastSeen: null,
    stopRequestedAt: null,
    lossCount: 0,
    lostAt: null,
    lossReason: null,
    recoveryTrigger: null,
    noticePlacementId: null,
    noticeDeadlineAt: null,
    noticedAt: null,
    replaceBy: null,
    successorPlacementId: null,
    eventSequence: 0,
    version: 1,
    createdAt: now,
    updatedAt: now,
    readyAt: null,
    deletedAt: null,
  };
}
