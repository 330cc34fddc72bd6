import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { type Scope, SCOPES } from '../platform/http/auth/scopes.js';
import { IsInstant } from '../platform/http/is-instant.js';
import { Optional } from '../platform/http/optional.js';
import { Paged } from '../platform/http/pagination.js';
import type { ApiKey, KeyOrder } from './domain/api-key.js';
import type { NewKey } from './keys.service.js';

export const TEAM_ID = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const TEAM_RULE = 'must be 1 to 63 characters of a-z, 0-9 and inner hyphens';
const DAY_SECONDS = 86_400;
const MOST_INSTANCES = 1_000_000;
const LONGEST_OVERLAP_SECONDS = 30 * DAY_SECONDS;

export class CreateKeyDto {
  /** The team that the key acts for; what it makes belongs to that team. */
  @ApiProperty({ pattern: TEAM_ID.source, example: 'ml-platform' })
  @IsNotEmpty({ message: 'Team ID is required' })
  @IsString({ message: TEAM_RULE })
  @Matches(TEAM_ID, { message: TEAM_RULE })
  teamId!: string;

  /** What it is for, for people. */
  @ApiPropertyOptional({ maxLength: 100, example: 'nightly training' })
  @Optional()
  @IsString({ message: 'must be a text' })
  @Length(0, 100, { message: 'must have at most 100 characters' })
  name?: string;

  /** `admin` covers all the others, inside the key's team; and it manages the keys of all teams. */
  @ApiProperty({ enum: SCOPES, isArray: true, example: ['instances:read', 'instances:write'] })
  @IsArray({ message: 'must be a list of scopes' })
  @ArrayMinSize(1, { message: 'must name at least one scope' })
  @ArrayMaxSize(SCOPES.length)
  @ArrayUnique({ message: 'must name each scope once' })
  @IsIn(SCOPES, { each: true, message: `must hold only ${SCOPES.join(', ')}` })
  scopes!: Scope[];

  /** From then on the key is refused; without it, it is good until it is revoked. */
  @ApiPropertyOptional({ format: 'date-time', example: '2027-01-15T10:30:00.000Z' })
  @Optional()
  @IsInstant()
  expiresAt?: string;

  /** How many instances that it ordered may be there at once, the keys that take over from it included. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MOST_INSTANCES, example: 10 })
  @Optional()
  @IsInt({ message: `must be a whole number from 1 to ${MOST_INSTANCES}` })
  @Min(1)
  @Max(MOST_INSTANCES)
  maxInstances?: number;
}

export class RotateKeyDto {
  /** How long the old key is good beside the new one. */
  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: LONGEST_OVERLAP_SECONDS, default: DAY_SECONDS })
  @Optional()
  @IsInt({ message: `must be a whole number of seconds from 0 to ${LONGEST_OVERLAP_SECONDS}` })
  @Min(0)
  @Max(LONGEST_OVERLAP_SECONDS)
  overlapSeconds?: number;
}

export class ListKeysQuery extends Paged(50) {
  @ApiPropertyOptional({ pattern: TEAM_ID.source })
  @IsOptional()
  @Matches(TEAM_ID, { message: TEAM_RULE })
  teamId?: string;
}

export class ApiKeyDetails {
  @ApiProperty({ example: 'key0123456789abcdef' })
  id!: string;

  @ApiProperty({ example: 'ml-platform' })
  teamId!: string;

  @ApiProperty({ example: 'nightly training' })
  name!: string;

  @ApiProperty({ enum: SCOPES, isArray: true })
  scopes!: Scope[];

  /** The end of the key, to tell keys apart. */
  @ApiProperty({ example: 'x4Fq' })
  lastFour!: string;

  /** The key that made it. */
  @ApiProperty({ example: 'bootstrap' })
  createdBy!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiPropertyOptional({ format: 'date-time' })
  expiresAt?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  revokedAt?: string;

  /** To the minute. */
  @ApiPropertyOptional({ format: 'date-time' })
  lastUsedAt?: string;

  /** The key that it takes over from. */
  @ApiPropertyOptional()
  replaces?: string;

  /** How many instances that it ordered may be there at once; absent: as many as it likes. */
  @ApiPropertyOptional({ example: 10 })
  maxInstances?: number;
}

export class ApiKeyCreated extends ApiKeyDetails {
  /** Shown this once: send it as `Authorization: Bearer …` or as `X-API-Key`. */
  @ApiProperty({ example: 'ngpu_live_key0123456789abcdef_…' })
  key!: string;
}

export class ApiKeyList {
  @ApiProperty({ type: [ApiKeyDetails] })
  keys!: ApiKeyDetails[];

  @ApiProperty({ example: 1 })
  total!: number;

  @ApiProperty({ example: 50 })
  limit!: number;

  @ApiProperty({ example: 0 })
  offset!: number;
}

export function toKeyOrder({ teamId, name, scopes, expiresAt, maxInstances }: CreateKeyDto): KeyOrder {
  return {
    teamId,
    name: name ?? '',
    scopes,
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
    maxInstances: maxInstances ?? null,
  };
}

export function overlapMsOf({ overlapSeconds }: RotateKeyDto): number {
  return (overlapSeconds ?? DAY_SECONDS) * 1000;
}

export function toApiKeyCreated({ key, text }: NewKey): ApiKeyCreated {
  return { ...toApiKeyDetails(key), key: text };
}

export function toApiKeyDetails(key: ApiKey): ApiKeyDetails {
  const {
    id,
    teamId,
    name,
    scopes,
    lastFour,
    createdBy,
    createdAt,
    expiresAt,
    revokedAt,
    lastUsedAt,
    replaces,
    maxInstances,
  } = key;
  return {
    id,
    teamId,
    name,
    scopes: [...scopes],
    lastFour,
    createdBy,
    createdAt: createdAt.toISOString(),
    ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    ...(revokedAt && { revokedAt: revokedAt.toISOString() }),
    ...(lastUsedAt && { lastUsedAt: lastUsedAt.toISOString() }),
    ...(replaces !== null && { replaces }),
    ...(maxInstances !== null && { maxInstances }),
  };
}
