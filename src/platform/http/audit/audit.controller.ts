import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../auth/require-scope.js';
import { ApiErrors } from '../openapi.js';
import { AuditList, ListAuditQuery, toAuditEntryDto, toAuditFilter } from './audit.dto.js';
import { AuditRepository } from './audit.repository.js';

@ApiTags('audit')
@Controller('api/audit')
export class AuditController {
  constructor(private readonly audit: AuditRepository) {}

  /** Who asked for which change, and what became of it; all teams, the newest first. */
  @Get()
  @RequireScope('admin')
  @ApiOkResponse({ type: AuditList })
  @ApiErrors(400)
  async listAudit(@Query() query: ListAuditQuery): Promise<AuditList> {
    const { limit, offset } = query;
    const { entries, total } = await this.audit.list(toAuditFilter(query), { limit, offset });
    return { entries: entries.map(toAuditEntryDto), total, limit, offset };
  }
}
