import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Settings } from '../platform/config.js';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { Answering, CurrentAnswering } from '../platform/http/idempotency/answering.js';
import { Idempotent } from '../platform/http/idempotency/idempotent.js';
import { ApiErrors } from '../platform/http/openapi.js';
import {
  MigrationStatusDto,
  MigrationTriggered,
  toMigrationStatus,
  toMigrationTriggered,
  TriggerMigrationDto,
} from './migration.dto.js';
import {
  MigrationExecutionDetailsDto,
  MigrationHistoryDto,
  MigrationHistoryQuery,
  toMigrationExecution,
  toMigrationExecutionDetails,
} from './migration-history.dto.js';
import { MigrationService } from './migration.service.js';

@ApiTags('migration')
@Controller('api/migration')
export class MigrationController {
  constructor(
    private readonly migration: MigrationService,
    private readonly settings: Settings,
  ) {}

  /** How the migration of lost spot instances is set, when it last ran and when it runs next. */
  @Get('status')
  @RequireScope('metrics:read')
  @ApiOkResponse({ type: MigrationStatusDto })
  async getMigrationStatus(): Promise<MigrationStatusDto> {
    const [status, statistics] = await Promise.all([this.migration.status(), this.migration.statistics()]);
    return toMigrationStatus(status, statistics, this.settings);
  }

  /** Look for lost instances now, without waiting for the schedule; a dry run only says what would be done. */
  @Post('trigger')
  @RequireScope('migration:write')
  @HttpCode(202)
  @Idempotent()
  @ApiAcceptedResponse({ type: MigrationTriggered })
  @ApiErrors(400, 409)
  async triggerMigration(
    @Body() wish: TriggerMigrationDto,
    @CurrentAnswering() answering: Answering,
  ): Promise<MigrationTriggered> {
    const { dryRun = false, maxMigrations = null } = wish;
    const execution = await this.migration.trigger(dryRun, maxMigrations, (begun, tx) =>
      answering.keep(toMigrationTriggered(begun), tx),
    );
    return toMigrationTriggered(execution);
  }

  /** Executions, the newest first. */
  @Get('history')
  @RequireScope('metrics:read')
  @ApiOkResponse({ type: MigrationHistoryDto })
  @ApiErrors(400)
  async listMigrations(
    @Query() query: MigrationHistoryQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<MigrationHistoryDto> {
    const { limit, offset, status = null } = query;
    const { records, total } = await this.migration.history(status, { limit, offset }, caller);
    return { executions: records.map(toMigrationExecution), total, limit, offset };
  }

  /** One execution with what was decided and done about each instance, and when. */
  @Get('history/:jobId')
  @RequireScope('metrics:read')
  @ApiOkResponse({ type: MigrationExecutionDetailsDto })
  @ApiErrors(404)
  async getMigration(
    @Param('jobId') jobId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<MigrationExecutionDetailsDto> {
    return toMigrationExecutionDetails(await this.migration.get(jobId, caller));
  }
}
