import { Controller, Get, HttpStatus, Res } from '@nestjs/common';
import { ApiOkResponse, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { UNAVAILABLE_RETRY_SECONDS } from '../platform/http/error-answer.js';
import { HealthReport, ProbeReport } from './health.dto.js';
import { HealthService } from './health.service.js';

/** Answered ahead of the router as well; see `SideDoor`. */
export const LIVENESS_PATH = '/health/live';
export const ALIVE: ProbeReport = { status: 'ok' };

@ApiTags('health')
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  /** The service and what it depends on. */
  @Get()
  @ApiOkResponse({ type: HealthReport })
  @ApiResponse({ status: 503, type: HealthReport, description: 'The service or a dependency is unhealthy' })
  async getHealth(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthReport> {
    const { isHealthy, report } = await this.health.report();
    if (!isHealthy) refuse(reply);
    return report;
  }

  /** The process answers; depends on nothing outside it. */
  @Get('live')
  @ApiOkResponse({ type: ProbeReport })
  getLiveness(): ProbeReport {
    return ALIVE;
  }

  /** The start is complete: the database has every migration and background work has begun. Once so, always so. */
  @Get('startup')
  @ApiOkResponse({ type: ProbeReport })
  @ApiResponse({ status: 503, type: ProbeReport, description: 'Not yet' })
  async getStartup(@Res({ passthrough: true }) reply: FastifyReply): Promise<ProbeReport> {
    return answer(await this.health.failingForStartup(), reply);
  }

  /** Can take requests: database and job queue are there, and the process is not draining. */
  @Get('ready')
  @ApiOkResponse({ type: ProbeReport })
  @ApiResponse({ status: 503, type: ProbeReport, description: 'Not now' })
  async getReadiness(@Res({ passthrough: true }) reply: FastifyReply): Promise<ProbeReport> {
    return answer(await this.health.failingForReady(), reply);
  }
}

function answer(failing: string[], reply: FastifyReply): ProbeReport {
  if (failing.length === 0) return { status: 'ok' };
  refuse(reply);
  return { status: 'unavailable', failing };
}

function refuse(reply: FastifyReply): void {
  reply.status(HttpStatus.SERVICE_UNAVAILABLE).header('Retry-After', String(UNAVAILABLE_RETRY_SECONDS));
}
