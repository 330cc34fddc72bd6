import { Global, Module } from '@nestjs/common';
import { AuditChain } from './audit/audit-chain.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditEscort } from './audit/audit-escort.js';
import { AuditRepository } from './audit/audit.repository.js';
import { AuditSchedule } from './audit/audit.schedule.js';
import { AuditTrail } from './audit/audit-trail.js';
import { SealsRepository } from './audit/seals.repository.js';
import { StartEntry } from './audit/start-entry.js';
import { HttpSchedule } from './http.schedule.js';
import { Idempotency } from './idempotency/idempotency.js';
import { IdempotencyRepository } from './idempotency/idempotency.repository.js';
import { QuotaRepository } from './rate-limit/quota.repository.js';
import { SharedRateLimits } from './rate-limit/shared-rate-limits.js';

/** What of the HTTP rules needs the database: the audit trail, kept answers, and limits that all replicas share. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [
    AuditChain,
    AuditEscort,
    AuditRepository,
    AuditSchedule,
    AuditTrail,
    HttpSchedule,
    Idempotency,
    IdempotencyRepository,
    QuotaRepository,
    SealsRepository,
    SharedRateLimits,
    StartEntry,
  ],
  exports: [AuditEscort, AuditTrail, Idempotency, SharedRateLimits],
})
export class HttpModule {}
