import type { EventCursor } from './domain/cursor.js';

/** Who or what caused a change. Keys and users are named by the part after the colon. */
export type Actor = 'service' | 'observer' | 'schedule' | 'upstream' | `user:${string}`;

/** One thing that happened to one instance. `sequence` counts from 1 without a gap inside the instance. */
export interface NewEvent {
  readonly id: string;
  readonly instanceId: string;
  readonly teamId: string;
  readonly sequence: number;
  readonly type: EventType;
  readonly actor: Actor;
  readonly fromPhase: string | null;
  readonly toPhase: string;
  readonly reasonCode: string | null;
  readonly data: Record<string, unknown>;
  /** The webhook body, made once and sent unchanged; null when no receiver is told. */
  readonly body: string | null;
  readonly occurredAt: Date;
}

/** An event as it stands in the log. */
export interface RecordedEvent extends NewEvent {
  readonly cursor: EventCursor;
}

/** The events that receivers are told about. */
export const NOTIFIED_TYPES = [
  'instance.ready',
  'instance.failed',
  'instance.migrated',
  'instance.reclaim_notice',
  'instance.migration_failed',
  'instance.stopped',
  'instance.started',
  'instance.exited',
  'instance.deleted',
] as const;

/** The finer steps, for the log alone. */
export const LOGGED_TYPES = [
  'instance.requested',
  'instance.progressed',
  'instance.decided',
  'instance.orphan_removed',
] as const;

export type NotifiedType = (typeof NOTIFIED_TYPES)[number];
export const EVENT_TYPES: readonly EventType[] = [...NOTIFIED_TYPES, ...LOGGED_TYPES];

export type EventType = NotifiedType | (typeof LOGGED_TYPES)[number];

export function isNotified(type: EventType): type is NotifiedType {
  return (NOTIFIED_TYPES as readonly string[]).includes(type);
}
