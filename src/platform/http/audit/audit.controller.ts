import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../auth/require-scope.js';
import { ApiErrors } from '../openapi.js';
import { AuditChain } from './audit-chain.js';
import { AuditVerification, toAuditVerification, VerifyAuditQuery } from './audit-verification.dto.js';
import { AuditList, ListAuditQuery, toAuditEntryDto, toAuditFilter } from './audit.dto.js';
import { AuditRepository } from './audit.repository.js';

@ApiTags('audit')
@Controller('api/audit')
export class AuditController {
  constructor(
    private readonly audit: AuditRepository,
    private readonly chain: AuditChain,
  ) {}

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

  /** Whether the audit trail is as it was written: each seal is worked out anew from the entries that it stands for. */
  @Get('verification')
  @RequireScope('admin')
  @ApiOkResponse({ type: AuditVerification })
  @ApiErrors(400)
  async verifyAudit(@Query() { afterSeal, limit }: VerifyAuditQuery): Promise<AuditVerification> {
    return toAuditVerification(await this.chain.verify(BigInt(afterSeal), limit));
  }
}
