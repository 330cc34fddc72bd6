import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsInt, Max, Min } from 'class-validator';
import type { Settings } from '../platform/config.js';
import { Optional } from '../platform/http/optional.js';
import type { Execution, Statistics } from './domain/execution.js';
import { SHOWN_STATUSES, timesOf } from './migration-history.dto.js';
import type { MigrationStatus } from './migration.service.js';

export class TriggerMigrationDto {
  /** Say what would be done, and change nothing. */
  @ApiPropertyOptional({ default: false })
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  dryRun?: boolean;

  /** Bring back so many instances at most. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 10000, example: 10 })
  @Optional()
  @IsInt({ message: 'must be a whole number from 1 to 10000' })
  @Min(1, { message: 'must be a whole number from 1 to 10000' })
  @Max(10_000, { message: 'must be a whole number from 1 to 10000' })
  maxMigrations?: number;
}

export class MigrationTriggered {
  @ApiProperty({ example: 'migration-job-abc123' })
  jobId!: string;

  @ApiProperty({ enum: SHOWN_STATUSES, example: 'queued' })
  status!: string;

  @ApiProperty({ example: 'Migration job queued for execution' })
  message!: string;

  @ApiProperty({ format: 'date-time' })
  estimatedStartTime!: string;
}

export class LastExecutionDto {
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  startedAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  completedAt!: string | null;

  /** Milliseconds; null while it is under way. */
  @ApiProperty({ type: Number, nullable: true, example: 90000 })
  duration!: number | null;

  @ApiProperty({ enum: SHOWN_STATUSES })
  status!: string;
}

export class MigrationStatisticsDto {
  @ApiProperty({ example: 48 })
  totalExecutions!: number;

  @ApiProperty({ example: 46 })
  successfulExecutions!: number;

  @ApiProperty({ example: 2 })
  failedExecutions!: number;

  @ApiProperty({ example: 1250 })
  totalInstancesProcessed!: number;

  @ApiProperty({ example: 23 })
  totalMigrations!: number;

  /** Milliseconds. */
  @ApiProperty({ example: 85000 })
  averageExecutionTime!: number;
}

export class MigrationConfigurationDto {
  @ApiProperty({ example: 15 })
  intervalMinutes!: number;

  @ApiProperty({ example: 5 })
  maxConcurrent!: number;

  @ApiProperty()
  dryRunMode!: boolean;

  @ApiProperty()
  retryFailed!: boolean;
}

export class MigrationStatusDto {
  @ApiProperty()
  enabled!: boolean;

  @ApiProperty({ type: LastExecutionDto, nullable: true })
  lastExecution!: LastExecutionDto | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextExecution!: string | null;

  @ApiProperty({ type: MigrationStatisticsDto })
  statistics!: MigrationStatisticsDto;

  @ApiProperty({ type: MigrationConfigurationDto })
  configuration!: MigrationConfigurationDto;
}

export function toMigrationTriggered(execution: Execution): MigrationTriggered {
  return {
    jobId: execution.id,
    status: execution.state,
    message: 'Migration job queued for execution',
    // The next tick of whichever replica comes first.
    estimatedStartTime: new Date(execution.createdAt.getTime() + 1000).toISOString(),
  };
}

export function toMigrationStatus(
  { enabled, last, nextAt }: MigrationStatus,
  { averageExecutionTimeMs, ...counts }: Statistics,
  settings: Settings,
): MigrationStatusDto {
  return {
    enabled,
    lastExecution: last && { ...timesOf(last), status: last.state },
    nextExecution: nextAt?.toISOString() ?? null,
    statistics: { ...counts, averageExecutionTime: averageExecutionTimeMs },
    configuration: {
      intervalMinutes: settings.migrationIntervalMinutes,
      maxConcurrent: settings.migrationMaxConcurrent,
      dryRunMode: settings.migrationDryRun,
      retryFailed: settings.migrationRetryFailed,
    },
  };
}
