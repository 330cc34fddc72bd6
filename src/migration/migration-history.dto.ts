import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { Paged } from '../platform/http/pagination.js';
import type { Attempt } from './domain/attempt.js';
import type { Execution } from './domain/execution.js';
import type { ExecutionRecord } from './migration.service.js';

const STATUSES = ['completed', 'failed', 'running'] as const;
export const SHOWN_STATUSES = ['queued', ...STATUSES];

export class MigrationHistoryQuery extends Paged(20) {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES, { message: `must be one of ${STATUSES.join(', ')}` })
  status?: (typeof STATUSES)[number];
}

export class MigrationSummaryDto {
  /** Instances under management when the execution began. */
  @ApiProperty({ example: 45 })
  totalInstances!: number;

  @ApiProperty({ example: 3 })
  exitedInstances!: number;

  @ApiProperty({ example: 2 })
  eligibleInstances!: number;

  @ApiProperty({ example: 2 })
  migratedInstances!: number;

  @ApiProperty({ example: 1 })
  skippedInstances!: number;

  @ApiProperty({ example: 0 })
  errorCount!: number;
}

export class MigrationErrorDto {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ example: 'NO_CAPACITY' })
  code!: string;

  @ApiProperty()
  message!: string;

  @ApiPropertyOptional({ format: 'date-time' })
  timestamp?: string;
}

export class MigrationExecutionDto {
  @ApiProperty({ example: 'migration-job-abc123' })
  jobId!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  startedAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  completedAt!: string | null;

  @ApiProperty({ enum: SHOWN_STATUSES })
  status!: string;

  /** Milliseconds; null while it is under way. */
  @ApiProperty({ type: Number, nullable: true, example: 90000 })
  duration!: number | null;

  /** What set it going; `loss` is the answer to machines that were just lost. */
  @ApiProperty({ enum: ['schedule', 'manual', 'loss'] })
  trigger!: string;

  @ApiProperty()
  dryRun!: boolean;

  @ApiProperty({ type: MigrationSummaryDto })
  summary!: MigrationSummaryDto;

  @ApiProperty({ type: [MigrationErrorDto] })
  errors!: MigrationErrorDto[];
}

export class MigrationHistoryDto {
  @ApiProperty({ type: [MigrationExecutionDto] })
  executions!: MigrationExecutionDto[];

  @ApiProperty({ example: 48 })
  total!: number;

  @ApiProperty({ example: 20 })
  limit!: number;

  @ApiProperty({ example: 0 })
  offset!: number;
}

export class MigrationStepDto {
  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ example: 'start' })
  decision!: string;

  @ApiProperty({ example: 'reclaimed' })
  because!: string;
}

export class InstanceMigrationDto {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ enum: ['open', 'migrated', 'failed', 'cancelled', 'skipped', 'planned'] })
  outcome!: string;

  /** The latest decision's reason. */
  @ApiProperty({ example: 'reclaimed' })
  because!: string;

  @ApiProperty({ enum: ['spot_reclaim', 'interrupted', 'platform_migration', 'notice'] })
  cause!: string;

  @ApiProperty({ enum: ['automatic_migration', 'manual_migration'] })
  triggeredBy!: string;

  @ApiProperty({ format: 'date-time' })
  startedAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  endedAt!: string | null;

  @ApiProperty({ type: [MigrationStepDto] })
  steps!: MigrationStepDto[];
}

export class MigrationExecutionDetailsDto extends MigrationExecutionDto {
  @ApiProperty({ type: [InstanceMigrationDto] })
  instances!: InstanceMigrationDto[];
}

export function toMigrationExecution({ execution, summary, failures }: ExecutionRecord): MigrationExecutionDto {
  const { id, state, trigger, dryRun, totalInstances, exitedInstances, error } = execution;
  const own = error === null ? [] : [{ instanceId: '', code: 'MIGRATION_ERROR', message: error }];
  return {
    jobId: id,
    ...timesOf(execution),
    status: state,
    trigger,
    dryRun,
    summary: {
      totalInstances,
      exitedInstances,
      eligibleInstances: summary.eligible,
      migratedInstances: summary.migrated,
      skippedInstances: summary.skipped,
      errorCount: summary.failed + own.length,
    },
    errors: [...own, ...failures.map(toMigrationError)],
  };
}

export function toMigrationExecutionDetails(
  record: ExecutionRecord & { readonly attempts: readonly Attempt[] },
): MigrationExecutionDetailsDto {
  return { ...toMigrationExecution(record), instances: record.attempts.map(toInstanceMigration) };
}

function toInstanceMigration(attempt: Attempt): InstanceMigrationDto {
  const { instanceId, state, because, cause, triggeredBy, startedAt, endedAt, steps } = attempt;
  return {
    instanceId,
    outcome: state,
    because,
    cause,
    triggeredBy,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    steps: steps.map(({ at, decision, because: why }) => ({ at, decision, because: why })),
  };
}

function toMigrationError({ instanceId, because, message, endedAt }: Attempt): MigrationErrorDto {
  return {
    instanceId,
    code: because,
    message: message ?? 'The instance could not be brought back',
    ...(endedAt && { timestamp: endedAt.toISOString() }),
  };
}

export function timesOf({ startedAt, completedAt }: Execution) {
  return {
    startedAt: startedAt?.toISOString() ?? null,
    completedAt: completedAt?.toISOString() ?? null,
    duration: startedAt && completedAt && completedAt.getTime() - startedAt.getTime(),
  };
}
