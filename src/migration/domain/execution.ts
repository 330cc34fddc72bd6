export type ExecutionState = 'queued' | 'running' | 'completed' | 'failed';
/** `loss`: machines were lost or announced to be; what is done about them at once is an execution like any other. */
export type ExecutionTrigger = 'schedule' | 'manual' | 'loss';

/** One run of the migration. One at a time is queued or running, over all replicas. */
export interface Execution {
  readonly id: string;
  readonly trigger: ExecutionTrigger;
  readonly state: ExecutionState;
  readonly dryRun: boolean;
  readonly maxMigrations: number | null;
  readonly totalInstances: number;
  readonly exitedInstances: number;
  readonly error: string | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly completedAt: Date | null;
}

/** Counted from the stored attempts whenever it is asked for, so that it holds for those that end late as well. */
export interface Summary {
  readonly eligible: number;
  readonly migrated: number;
  readonly skipped: number;
  readonly failed: number;
  readonly open: number;
}

export const EMPTY_SUMMARY: Summary = { eligible: 0, migrated: 0, skipped: 0, failed: 0, open: 0 };

export interface Statistics {
  readonly totalExecutions: number;
  readonly successfulExecutions: number;
  readonly failedExecutions: number;
  readonly totalInstancesProcessed: number;
  readonly totalMigrations: number;
  readonly averageExecutionTimeMs: number;
}
