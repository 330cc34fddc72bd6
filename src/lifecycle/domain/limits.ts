import type { Settings } from '../../platform/config.js';

/** The lifecycle's times, in milliseconds. */
export interface Limits {
  readonly pollMs: number;
  readonly queueTimeoutMs: number;
  readonly startupTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** How long a create call may go unanswered. */
  readonly createTimeoutMs: number;
  /** How long a machine that exists may be missing from a listing. */
  readonly visibilityWindowMs: number;
  /** How long an action that was taken may leave the old status standing. */
  readonly settleMs: number;
  /** When an action that shows no effect is sent again; whoever recorded it before may no longer send it then. */
  readonly repeatActionMs: number;
  /** How long a machine and its successor may bill side by side. */
  readonly handoverMaxOverlapMs: number;
}

export function limitsOf(settings: Settings): Limits {
  const pollMs = settings.lifecyclePollMs;
  return {
    pollMs,
    queueTimeoutMs: settings.queueTimeoutMs,
    startupTimeoutMs: settings.startupTimeoutMs,
    stopTimeoutMs: settings.stopTimeoutMs,
    createTimeoutMs: settings.novitaCreateTimeoutMs,
    visibilityWindowMs: settings.visibilityWindowMs,
    settleMs: Math.min(3000, pollMs),
    repeatActionMs: Math.max(2000, Math.min(15_000, 3 * pollMs)),
    handoverMaxOverlapMs: settings.handoverMaxOverlapMs,
  };
}

/** How long after its intent a create may still be sent: it waits for its turn in the shared budget. */
export function createSendWithinMs({ createTimeoutMs }: Limits): number {
  return Math.min(20_000, createTimeoutMs);
}
