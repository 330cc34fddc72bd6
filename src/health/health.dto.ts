import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';

const STATES = ['healthy', 'unhealthy'];

export class DependenciesDto {
  @ApiProperty({ enum: STATES })
  novitaApi!: string;

  @ApiProperty({ enum: STATES })
  cache!: string;

  @ApiProperty({ enum: STATES })
  database!: string;

  @ApiProperty({ enum: STATES })
  jobs!: string;
}

export class UpstreamDto {
  /** True when the stand-in answers instead of Novita: nothing real is bought. */
  @ApiProperty()
  sandbox!: boolean;

  @ApiProperty({ enum: ['closed', 'open'] })
  circuit!: string;

  /** The latest failure's class, such as unavailable or auth (the provider rejects NOVITA_API_KEY). */
  @ApiPropertyOptional()
  lastFailure?: string;
}

export class MigrationHealthDto {
  @ApiProperty()
  enabled!: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastExecution!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextExecution!: string | null;

  /** Unhealthy when the schedule is long overdue; `disabled` when it is switched off. */
  @ApiProperty({ enum: [...STATES, 'disabled'] })
  status!: string;

  /** Failures of the last hour. */
  @ApiProperty({ example: 0 })
  recentErrors!: number;
}

export class HealthReport {
  @ApiProperty({ enum: STATES, example: 'healthy' })
  status!: string;

  @ApiProperty({ format: 'date-time' })
  timestamp!: string;

  /** Seconds since this replica started. */
  @ApiProperty({ example: 3600 })
  uptime!: number;

  @ApiProperty({ type: DependenciesDto })
  dependencies!: DependenciesDto;

  @ApiProperty({ type: MigrationHealthDto })
  migrationService!: MigrationHealthDto;

  @ApiProperty({ type: UpstreamDto })
  upstream!: UpstreamDto;

  @ApiProperty({ example: '1.0.0' })
  version!: string;
}

export class ProbeReport {
  @ApiProperty({ example: 'ok' })
  status!: string;

  /** Which checks fail; absent when none does. */
  @ApiPropertyOptional({ type: [String] })
  failing?: string[];
}
