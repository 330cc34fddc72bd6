import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { Paged } from '../pagination.js';
import { AUDIT_OUTCOMES, type AuditOutcome } from './audit-entry.js';
import type { AuditFilter, KeptAuditEntry } from './audit.repository.js';

const MAX_LENGTH = 200;
const HASH = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

export class ListAuditQuery extends Paged(50) {
  @ApiPropertyOptional({ maxLength: MAX_LENGTH })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_LENGTH)
  teamId?: string;

  /** A key’s id, `anonymous`, `bootstrap`, `command-line` or `service`. */
  @ApiPropertyOptional({ maxLength: MAX_LENGTH })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_LENGTH)
  actor?: string;

  /** The operation’s name in this document. */
  @ApiPropertyOptional({ maxLength: MAX_LENGTH, example: 'deleteInstance' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_LENGTH)
  action?: string;

  /** The id of what it was about. */
  @ApiPropertyOptional({ maxLength: MAX_LENGTH })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_LENGTH)
  target?: string;

  @ApiPropertyOptional({ enum: AUDIT_OUTCOMES })
  @IsOptional()
  @IsIn(AUDIT_OUTCOMES, { message: `must be one of ${AUDIT_OUTCOMES.join(', ')}` })
  outcome?: AuditOutcome;

  @ApiPropertyOptional({ maxLength: MAX_LENGTH })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_LENGTH)
  requestId?: string;
}

export class AuditEntryDto {
  /** Grows with every entry. */
  @ApiProperty({ type: String, example: '42' })
  position!: string;

  @ApiProperty({ format: 'date-time' })
  at!: string;

  /** Absent when nobody knows who asked. */
  @ApiPropertyOptional({ example: 'ml-platform' })
  teamId?: string;

  @ApiProperty({ example: 'key0123456789abcdef' })
  actor!: string;

  @ApiProperty({ example: 'deleteInstance' })
  action!: string;

  @ApiPropertyOptional({ example: 'inst-abc123' })
  target?: string;

  /** `accepted` was written with its effect; `unchanged` was served, but there was nothing to do. */
  @ApiProperty({ enum: AUDIT_OUTCOMES })
  outcome!: AuditOutcome;

  @ApiPropertyOptional({ example: 202 })
  status?: number;

  @ApiPropertyOptional({ example: 'INSUFFICIENT_SCOPE' })
  errorCode?: string;

  @ApiProperty({ example: 'req-xyz789' })
  requestId!: string;

  @ApiProperty({ example: '10.1.2.3' })
  ip!: string;

  /** SHA-256 of what it was about, before; absent where there was nothing, or nothing was changed. */
  @ApiPropertyOptional({ example: HASH })
  beforeHash?: string;

  /** The same, after. */
  @ApiPropertyOptional({ example: HASH })
  afterHash?: string;
}

export class AuditList {
  @ApiProperty({ type: [AuditEntryDto] })
  entries!: AuditEntryDto[];

  @ApiProperty({ example: 1 })
  total!: number;

  @ApiProperty({ example: 50 })
  limit!: number;

  @ApiProperty({ example: 0 })
  offset!: number;
}

export function toAuditFilter({ limit: _limit, offset: _offset, ...wanted }: ListAuditQuery): AuditFilter {
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
}

export function toAuditEntryDto(entry: KeptAuditEntry): AuditEntryDto {
  const { position, at, teamId, actor, action, target, outcome, status, errorCode, requestId, ip } = entry;
  const { beforeHash, afterHash } = entry;
  return {
    position: String(position),
    at: at.toISOString(),
    ...(teamId !== null && { teamId }),
    actor,
    action,
    ...(target !== null && { target }),
    outcome,
    ...(status !== null && { status }),
    ...(errorCode !== null && { errorCode }),
    requestId,
    ip,
    ...(beforeHash !== null && { beforeHash }),
    ...(afterHash !== null && { afterHash }),
  };
}
