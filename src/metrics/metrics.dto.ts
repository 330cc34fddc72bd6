import { ApiProperty } from '@nestjs/swagger';

export class RequestFigures {
  @ApiProperty({ example: 1250 })
  total!: number;

  @ApiProperty({ example: 1180 })
  successful!: number;

  /** Answered with 400 or above. */
  @ApiProperty({ example: 70 })
  failed!: number;

  /** Milliseconds. */
  @ApiProperty({ example: 245 })
  averageResponseTime!: number;
}

export class InstanceFigures {
  @ApiProperty({ example: 15 })
  total!: number;

  @ApiProperty({ example: 2 })
  creating!: number;

  @ApiProperty({ example: 0 })
  starting!: number;

  @ApiProperty({ example: 10 })
  running!: number;

  @ApiProperty({ example: 3 })
  failed!: number;

  @ApiProperty({ example: 0 })
  stopped!: number;

  @ApiProperty({ example: 0 })
  exited!: number;
}

export class JobFigures {
  @ApiProperty({ example: 5 })
  pending!: number;

  @ApiProperty({ example: 2 })
  processing!: number;

  /** As far back as the queue keeps finished jobs: one day. */
  @ApiProperty({ example: 1200 })
  completed!: number;

  @ApiProperty({ example: 48 })
  failed!: number;
}

export class CacheFigures {
  @ApiProperty({ example: 850 })
  hits!: number;

  @ApiProperty({ example: 400 })
  misses!: number;

  @ApiProperty({ example: 0.68 })
  hitRate!: number;
}

export class MemoryFigures {
  /** MiB of this replica's process. */
  @ApiProperty({ example: 256 })
  used!: number;

  /** MiB that the process may use. */
  @ApiProperty({ example: 512 })
  total!: number;

  @ApiProperty({ example: 50 })
  percentage!: number;
}

export class SystemFigures {
  /** Seconds since this replica started. */
  @ApiProperty({ example: 86400 })
  uptime!: number;

  @ApiProperty({ type: MemoryFigures })
  memoryUsage!: MemoryFigures;
}

/** Requests, jobs and cache over all replicas; `system` is the replica that answers. */
export class MetricsReport {
  @ApiProperty({ type: RequestFigures })
  requests!: RequestFigures;

  @ApiProperty({ type: InstanceFigures })
  instances!: InstanceFigures;

  @ApiProperty({ type: JobFigures })
  jobs!: JobFigures;

  @ApiProperty({ type: CacheFigures })
  cache!: CacheFigures;

  @ApiProperty({ type: SystemFigures })
  system!: SystemFigures;
}
