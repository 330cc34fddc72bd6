import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { QueryInt } from '../query-int.js';
import type { Verification } from './audit-chain.js';
import type { Seal } from './seal.js';

const MAX_SEALS = 1_000;

export class VerifyAuditQuery {
  @QueryInt({ min: 0, max: Number.MAX_SAFE_INTEGER, default: 0, description: 'The seal to begin behind' })
  afterSeal!: number;

  @QueryInt({ min: 1, max: MAX_SEALS, default: MAX_SEALS, description: 'How many seals to look at' })
  limit!: number;
}

export class AuditSealDto {
  @ApiProperty({ example: 17 })
  number!: number;

  /** SHA-256 over its entries and the seal before it. The log has it too, under “audit entries sealed”. */
  @ApiProperty({ example: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' })
  hash!: string;

  @ApiProperty({ format: 'date-time' })
  sealedAt!: string;
}

export class BrokenSealDto extends AuditSealDto {
  @ApiProperty({ example: 'An entry was changed, or the seal was' })
  reason!: string;
}

export class AuditVerification {
  /** Whether all seals that were looked at fit their entries. */
  @ApiProperty()
  isIntact!: boolean;

  @ApiProperty({ example: 17 })
  seals!: number;

  @ApiProperty({ example: 230 })
  entries!: number;

  /** Whether there are more: ask again with `afterSeal` set to the number of `through`. */
  @ApiProperty()
  hasMore!: boolean;

  /** The last seal that fits; absent when none does, or there is none yet. */
  @ApiPropertyOptional({ type: AuditSealDto })
  through?: AuditSealDto;

  /** The first seal that does not fit; something was changed between it and the one before. */
  @ApiPropertyOptional({ type: BrokenSealDto })
  broken?: BrokenSealDto;
}

export function toAuditVerification({ broken, through, seals, entries, hasMore }: Verification): AuditVerification {
  return {
    isIntact: broken === null,
    seals,
    entries,
    hasMore: broken === null && hasMore,
    ...(through && { through: toSealDto(through) }),
    ...(broken && { broken: { ...toSealDto(broken.seal), reason: broken.because } }),
  };
}

function toSealDto({ number, hash, sealedAt }: Seal): AuditSealDto {
  return { number: Number(number), hash, sealedAt: sealedAt.toISOString() };
}
