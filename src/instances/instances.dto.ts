import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Expose, Transform, Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { Optional } from '../platform/http/optional.js';
import { Paged } from '../platform/http/pagination.js';
import { QueryFlag } from '../platform/http/query-flag.js';
import { QueryTime } from '../platform/http/query-time.js';
import { type InstanceStatus, STATUSES } from './domain/instance.js';
import type { InstanceWish } from './domain/instance-filter.js';
import { type LabelCondition, MAX_LABELS, parseLabelConditions } from './domain/labels.js';
import { IsLabels } from './is-labels.js';
import type { InstanceOrder } from './domain/new-instance.js';

/** At least one character that can be seen; the rest of the text rules hold for every string at the border. */
const VISIBLE = /\S/;

export class ReadinessDto {
  /** The port inside the machine that the application listens on; the template must map it. */
  @ApiProperty({ minimum: 1, maximum: 65535, example: 8888 })
  @IsInt({ message: 'must be a whole number from 1 to 65535' })
  @Min(1)
  @Max(65535)
  port!: number;

  /** With a path, ready means an HTTP answer of 2xx or 3xx; without, a TCP connection. */
  @ApiPropertyOptional({ maxLength: 500, example: '/api/status' })
  @Optional()
  @IsString()
  @MaxLength(500)
  @Matches(/^\/[^\s#]*$/, { message: 'must begin with / and hold neither spaces nor #' })
  path?: string;

  /** How long the application may take once its machine runs. */
  @ApiPropertyOptional({ minimum: 1, maximum: 3600, default: 300 })
  @Optional()
  @IsInt({ message: 'must be a whole number of seconds from 1 to 3600' })
  @Min(1)
  @Max(3600)
  timeoutSeconds?: number;
}

export class CreateInstanceDto {
  /** What you call it; it need not be unique. */
  @ApiProperty({ minLength: 1, maxLength: 255, example: 'my-gpu-instance' })
  @IsNotEmpty({ message: 'Name is required' })
  @IsString({ message: 'Name must be a text' })
  @Length(1, 255, { message: 'Name must have 1 to 255 characters' })
  @Matches(VISIBLE, { message: 'Name must hold a visible character' })
  name!: string;

  /** The GPU product's exact name. */
  @ApiProperty({ minLength: 1, maxLength: 255, example: 'RTX 4090 24GB' })
  @IsNotEmpty({ message: 'Product name is required' })
  @IsString({ message: 'Product name must be a text' })
  @Length(1, 255, { message: 'Product name must have 1 to 255 characters' })
  productName!: string;

  @ApiProperty({ minLength: 1, maxLength: 255, example: 'template-123' })
  @IsNotEmpty({ message: 'Template ID is required' })
  @IsString({ message: 'Template ID must be a text' })
  @Length(1, 255, { message: 'Template ID must have 1 to 255 characters' })
  templateId!: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 8, default: 1 })
  @Optional()
  @IsInt({ message: 'must be a whole number from 1 to 8' })
  @Min(1, { message: 'must be a whole number from 1 to 8' })
  @Max(8, { message: 'must be a whole number from 1 to 8' })
  gpuNum?: number;

  /** Root filesystem in GB. */
  @ApiPropertyOptional({ type: 'integer', minimum: 10, maximum: 6144, default: 60 })
  @Optional()
  @IsInt({ message: 'must be a whole number from 10 to 6144' })
  @Min(10, { message: 'must be a whole number from 10 to 6144' })
  @Max(6144, { message: 'must be a whole number from 10 to 6144' })
  rootfsSize?: number;

  /** The preferred region; without stock there, the configured fallback regions are tried. */
  @ApiPropertyOptional({ minLength: 1, maxLength: 64, default: 'CN-HK-01' })
  @Optional()
  @IsString()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, { message: 'must be a region code such as CN-HK-01' })
  region?: string;

  /** Told of everything that becomes of the instance; see the webhooks of this document. */
  @ApiPropertyOptional({ maxLength: 2000, format: 'uri', example: 'https://your-app.com/webhook' })
  @Optional()
  @IsString()
  @MaxLength(2000)
  webhookUrl?: string;

  /** Spot machines cost about half and may be taken away. */
  @ApiPropertyOptional({ enum: ['spot', 'onDemand'], default: 'spot' })
  @Optional()
  @IsIn(['spot', 'onDemand'], { message: 'must be spot or onDemand' })
  billingMode?: 'spot' | 'onDemand';

  /** What to do when a spot machine is taken away. */
  @ApiPropertyOptional({ enum: ['migrate', 'replace', 'none'], default: 'migrate' })
  @Optional()
  @IsIn(['migrate', 'replace', 'none'], { message: 'must be migrate, replace or none' })
  spotPolicy?: 'migrate' | 'replace' | 'none';

  /** Take an on-demand machine when there is no spot machine to be had. */
  @ApiPropertyOptional({ default: false })
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  fallbackToOnDemand?: boolean;

  /** When the application counts as ready; without it, ready is: running, endpoints known, SSH up where the template has it. */
  @ApiPropertyOptional({ type: ReadinessDto })
  @Optional()
  @IsObject({ message: 'must be an object' })
  @ValidateNested()
  @Type(() => ReadinessDto)
  readiness?: ReadinessDto;

  /** Your own names for it, to find it by; at most 20. */
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string' },
    maxProperties: MAX_LABELS,
    example: { env: 'prod', team: 'vision' },
  })
  @Optional()
  @IsLabels()
  labels?: Record<string, string>;
}

export class ListInstancesQuery extends Paged(50) {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES, { message: `must be one of ${STATUSES.join(', ')}` })
  status?: InstanceStatus;

  /** The region that was asked for. */
  @ApiPropertyOptional({ maxLength: 64, example: 'CN-HK-01' })
  @IsOptional()
  @Length(1, 64, { message: 'must have 1 to 64 characters' })
  region?: string;

  /** The product's exact name. */
  @ApiPropertyOptional({ maxLength: 255, example: 'RTX 4090 24GB' })
  @IsOptional()
  @Length(1, 255, { message: 'must have 1 to 255 characters' })
  product?: string;

  /** The instance's exact name. */
  @ApiPropertyOptional({ maxLength: 255, example: 'my-gpu-instance' })
  @IsOptional()
  @Length(1, 255, { message: 'must have 1 to 255 characters' })
  name?: string;

  /** `env=prod,tier`: the label env is prod, and there is a label tier. */
  @ApiPropertyOptional({ type: String, example: 'env=prod' })
  @Expose()
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? (parseLabelConditions(value) ?? value) : value,
  )
  @IsOptional()
  @IsArray({ message: 'must be a list such as env=prod,tier' })
  label?: LabelCondition[];

  /** Later than this instant. */
  @QueryTime()
  createdAfter?: Date;

  /** Earlier than this instant. */
  @QueryTime()
  createdBefore?: Date;

  /** Also list instances that were deleted. */
  @QueryFlag({ default: false })
  includeDeleted!: boolean;
}

export function toInstanceOrder(dto: CreateInstanceDto, defaults: { readonly region: string }): InstanceOrder {
  const { readiness } = dto;
  return {
    name: dto.name,
    productName: dto.productName,
    templateId: dto.templateId,
    gpuNum: dto.gpuNum ?? 1,
    rootfsSizeGb: dto.rootfsSize ?? 60,
    region: dto.region ?? defaults.region,
    webhookUrl: dto.webhookUrl ?? null,
    billingMode: dto.billingMode ?? 'spot',
    spotPolicy: dto.spotPolicy ?? 'migrate',
    fallbackToOnDemand: dto.fallbackToOnDemand ?? false,
    readiness: readiness
      ? {
          port: readiness.port,
          timeoutSeconds: readiness.timeoutSeconds ?? 300,
          ...(readiness.path === undefined ? {} : { path: readiness.path }),
        }
      : null,
    labels: dto.labels ?? {},
  };
}

/** All that was asked for, as the list understands it. */
export function toInstanceWish(query: ListInstancesQuery): InstanceWish {
  const { limit: _limit, offset: _offset, label, ...wish } = query;
  return { ...wish, labels: label ?? [] };
}
