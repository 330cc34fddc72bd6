import type { BillingMode } from '../../novita/novita-client.js';

/** The contract's six words. What is finer is the phase. */
export const STATUSES = ['creating', 'starting', 'running', 'failed', 'stopped', 'exited'] as const;
export type InstanceStatus = (typeof STATUSES)[number];

export type Phase =
  | 'queued'
  | 'buying'
  | 'provisioning'
  | 'pulling'
  | 'starting'
  | 'probing'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'restarting'
  | 'exited'
  | 'migrating'
  | 'failed'
  | 'deleting'
  | 'deleted';

export type Desired = 'running' | 'stopped' | 'deleted';
/** A call to the machine that a phase is about. */
export type Action = 'start' | 'stop' | 'restart';
export type SpotPolicy = 'migrate' | 'replace' | 'none';

/** How to find out that the application inside answers. */
export interface Readiness {
  readonly port: number;
  /** With a path: an HTTP answer of 2xx or 3xx; without: a TCP connect. */
  readonly path?: string;
  readonly timeoutSeconds: number;
}

export interface PortMapping {
  readonly port: number;
  readonly endpoint: string;
  readonly type: string;
}

/** How a user gets into the machine; good until its next start. */
export interface Connection {
  readonly portMappings: readonly PortMapping[];
  readonly ssh: string | null;
  readonly sshPassword: string | null;
  readonly jupyter: string | null;
  readonly webTerminal: string | null;
}

export interface Instance {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly productName: string;
  readonly templateId: string;
  readonly gpuNum: number;
  readonly rootfsSizeGb: number;
  readonly region: string;
  readonly billingMode: BillingMode;
  readonly webhookUrl: string | null;
  readonly readiness: Readiness | null;
  readonly spotPolicy: SpotPolicy;
  readonly fallbackToOnDemand: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly desired: Desired;
  readonly phase: Phase;
  readonly phaseSince: Date;
  readonly reasonCode: string | null;
  readonly reasonMessage: string | null;
  readonly deadlineAt: Date | null;
  readonly nextCheckAt: Date | null;
  readonly currentPlacementId: string | null;
  readonly connection: Connection | null;
  readonly action: Action | null;
  readonly actionSentAt: Date | null;
  /** Upstream accepted the call; whether it does what it accepted is seen later. */
  readonly actionAnsweredAt: Date | null;
  readonly probeStartedAt: Date | null;
  readonly probeLastSeen: string | null;
  readonly stopRequestedAt: Date | null;
  readonly lossCount: number;
  readonly lostAt: Date | null;
  readonly lossReason: string | null;
  readonly recoveryTrigger: string | null;
  readonly noticePlacementId: string | null;
  readonly noticeDeadlineAt: Date | null;
  readonly noticedAt: Date | null;
  readonly replaceBy: Date | null;
  readonly successorPlacementId: string | null;
  readonly eventSequence: number;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly readyAt: Date | null;
  readonly deletedAt: Date | null;
}

/** Every move an instance can make. To read this table is to read the lifecycle. */
export const MOVES = {
  queued: ['buying', 'stopped', 'exited', 'failed', 'deleting'],
  buying: ['queued', 'provisioning', 'stopped', 'exited', 'failed', 'deleting'],
  provisioning: [
    'queued',
    'pulling',
    'starting',
    'probing',
    'running',
    'stopping',
    'stopped',
    'exited',
    'failed',
    'deleting',
  ],
  pulling: [
    'queued',
    'provisioning',
    'starting',
    'probing',
    'running',
    'stopping',
    'stopped',
    'exited',
    'failed',
    'deleting',
  ],
  starting: [
    'queued',
    'provisioning',
    'pulling',
    'probing',
    'running',
    'stopping',
    'stopped',
    'exited',
    'migrating',
    'failed',
    'deleting',
  ],
  probing: ['queued', 'starting', 'running', 'stopping', 'exited', 'failed', 'deleting'],
  running: ['provisioning', 'stopping', 'restarting', 'exited', 'migrating', 'failed', 'deleting'],
  stopping: ['stopped', 'exited', 'failed', 'deleting'],
  stopped: ['queued', 'starting', 'stopping', 'failed', 'deleting'],
  restarting: ['queued', 'probing', 'running', 'stopped', 'exited', 'failed', 'deleting'],
  exited: ['queued', 'buying', 'provisioning', 'starting', 'migrating', 'running', 'stopped', 'failed', 'deleting'],
  migrating: ['queued', 'starting', 'probing', 'running', 'exited', 'stopping', 'failed', 'deleting'],
  failed: ['deleting'],
  deleting: ['deleted'],
  deleted: [],
} as const satisfies Record<Phase, readonly Phase[]>;

export class IllegalMove extends Error {
  constructor(
    readonly from: Phase,
    readonly to: Phase,
  ) {
    super(`An instance cannot move from ${from} to ${to}`);
  }
}

export function canMove(from: Phase, to: Phase): boolean {
  return (MOVES[from] as readonly Phase[]).includes(to);
}

/** The instance in its next phase. What belonged to the former phase (reason, action) is gone unless `change` gives it anew. */
export function moveTo(instance: Instance, phase: Phase, now: Date, change: Partial<Instance> = {}): Instance {
  if (!canMove(instance.phase, phase)) throw new IllegalMove(instance.phase, phase);
  const fresh = { reasonCode: null, reasonMessage: null, action: null, actionSentAt: null, actionAnsweredAt: null };
  return { ...instance, ...fresh, ...change, phase, phaseSince: now, updatedAt: now };
}

const STATUS: Record<Phase, InstanceStatus> = {
  queued: 'creating',
  buying: 'creating',
  provisioning: 'starting',
  pulling: 'starting',
  starting: 'starting',
  probing: 'starting',
  running: 'running',
  stopping: 'running',
  stopped: 'stopped',
  restarting: 'starting',
  exited: 'exited',
  migrating: 'starting',
  failed: 'failed',
  deleting: 'exited',
  deleted: 'exited',
};

export function statusOf(phase: Phase): InstanceStatus {
  return STATUS[phase];
}

export function phasesOf(status: InstanceStatus): Phase[] {
  return (Object.keys(STATUS) as Phase[]).filter((phase) => STATUS[phase] === status);
}

/** How to get in at the moment: while a machine is restarted the row keeps the former ways, which hold no more. */
export function waysInOf({ phase, connection }: Pick<Instance, 'phase' | 'connection'>): Connection | null {
  return phase === 'restarting' ? null : connection;
}

/** What became of the latest wish is known. */
export function isSettled(phase: Phase): boolean {
  return phase === 'running' || phase === 'exited' || isAtRest(phase);
}

/** Nothing more happens to it by itself. */
export function isAtRest(phase: Phase): boolean {
  return phase === 'stopped' || phase === 'failed' || phase === 'deleted';
}

/** Only news of their machines moves them; every other phase looks again by itself or is over. */
export const AT_REST_UNTIL_NEWS: readonly Phase[] = ['running', 'stopped', 'deleting'];

/** Their machines are on their way up or down, whatever the latest listing showed of them. */
export const IN_MOTION: readonly Phase[] = [
  'provisioning',
  'pulling',
  'starting',
  'stopping',
  'restarting',
  'migrating',
];

export const MIGRATION_PHASES: readonly Phase[] = ['exited', 'migrating'];

/** Without its machine and not by its user's wish: the migration brings it back, the lifecycle leaves it alone. */
export function isMigrations(phase: Phase): boolean {
  return MIGRATION_PHASES.includes(phase);
}

/** It was ready once, lost its machine, and is being brought back. */
export function isRecovering(instance: Instance): boolean {
  return instance.lostAt !== null && instance.desired === 'running';
}

/**
 * Until when something has to be done about the instance's machine, for the order in which that is done: its announced end, or
 * when it was lost. Null: nothing presses.
 */
export function machineDeadlineOf({ noticeDeadlineAt, lostAt }: Instance): Date | null {
  return noticeDeadlineAt ?? lostAt;
}
