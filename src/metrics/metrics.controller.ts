import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { MetricsReport } from './metrics.dto.js';
import { MetricsService } from './metrics.service.js';

@ApiTags('metrics')
@Controller('api/metrics')
export class MetricsController {
  constructor(private readonly metrics: MetricsService) {}

  /** Operational figures, added up over all replicas. */
  @Get()
  @RequireScope('metrics:read')
  @ApiOkResponse({ type: MetricsReport })
  async getMetrics(): Promise<MetricsReport> {
    return this.metrics.report();
  }
}
