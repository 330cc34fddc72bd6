import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { SharedFigures } from './shared-figures.js';

@ApiTags('metrics')
@Controller('metrics')
export class PrometheusController {
  constructor(
    private readonly metrics: MetricsRegistry,
    private readonly shared: SharedFigures,
  ) {}

  /** The figures of this replica, and those of the whole installation, for Prometheus. */
  @Get()
  @RequireScope('metrics:read')
  @ApiOkResponse({
    description: 'The text format of Prometheus, version 0.0.4',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  async scrapeMetrics(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    await this.shared.refresh();
    reply.type(this.metrics.registry.contentType);
    return this.metrics.registry.metrics();
  }
}
