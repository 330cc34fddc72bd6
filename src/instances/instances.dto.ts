import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Expose, Transform, Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { Paged } from '../platform/http/pagination.js';
import { QueryFlag } from '../platform/http/query-flag.js';
import { QueryTime } from '../platform/http/query-time.js';
import { entityTag } from '../platform/http/entity-tag.js';
import type { InstanceWish, Page } from './domain/instance-filter.js';
import { type LabelCondition, MAX_LABELS, parseLabelConditions } from './domain/labels.js';
import { IsLabels } from './is-labels.js';
import type { InstanceOrder } from './domain/new-instance.js';
import { type Connection, type Instance, type InstanceStatus, isSettled, statusOf } from './domain/instance.js';
import type { InstanceGlance, InstanceView, MachineView } from './domain/instance-view.js';

const STATUSES: InstanceStatus[] = ['creating', 'starting', 'running', 'failed', 'stopped', 'exited'];
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
  @IsOptional()
  @IsString()
  @MaxLength(500)
  @Matches(/^\/[^\s#]*$/, { message: 'must begin with / and hold neither spaces nor #' })
  path?: string;

  /** How long the application may take once its machine runs. */
  @ApiPropertyOptional({ minimum: 1, maximum: 3600, default: 300 })
  @IsOptional()
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
  @IsOptional()
  @IsInt({ message: 'must be a whole number from 1 to 8' })
  @Min(1, { message: 'must be a whole number from 1 to 8' })
  @Max(8, { message: 'must be a whole number from 1 to 8' })
  gpuNum?: number;

  /** Root filesystem in GB. */
  @ApiPropertyOptional({ type: 'integer', minimum: 10, maximum: 6144, default: 60 })
  @IsOptional()
  @IsInt({ message: 'must be a whole number from 10 to 6144' })
  @Min(10, { message: 'must be a whole number from 10 to 6144' })
  @Max(6144, { message: 'must be a whole number from 10 to 6144' })
  rootfsSize?: number;

  /** The preferred region; without stock there, the configured fallback regions are tried. */
  @ApiPropertyOptional({ minLength: 1, maxLength: 64, default: 'CN-HK-01' })
  @IsOptional()
  @IsString()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, { message: 'must be a region code such as CN-HK-01' })
  region?: string;

  /** Told of everything that becomes of the instance; see the webhooks of this document. */
  @ApiPropertyOptional({ maxLength: 2000, format: 'uri', example: 'https://your-app.com/webhook' })
  @IsOptional()
  @IsString()
  @MaxLength(2000)
  webhookUrl?: string;

  /** Spot machines cost about half and may be taken away. */
  @ApiPropertyOptional({ enum: ['spot', 'onDemand'], default: 'spot' })
  @IsOptional()
  @IsIn(['spot', 'onDemand'], { message: 'must be spot or onDemand' })
  billingMode?: 'spot' | 'onDemand';

  /** What to do when a spot machine is taken away. */
  @ApiPropertyOptional({ enum: ['migrate', 'replace', 'none'], default: 'migrate' })
  @IsOptional()
  @IsIn(['migrate', 'replace', 'none'], { message: 'must be migrate, replace or none' })
  spotPolicy?: 'migrate' | 'replace' | 'none';

  /** Take an on-demand machine when there is no spot machine to be had. */
  @ApiPropertyOptional({ default: false })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  fallbackToOnDemand?: boolean;

  /** When the application counts as ready; without it, ready is: running, endpoints known, SSH up where the template has it. */
  @ApiPropertyOptional({ type: ReadinessDto })
  @IsOptional()
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
  @IsOptional()
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

export class InstanceAccepted {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ enum: STATUSES, example: 'creating' })
  status!: InstanceStatus;

  @ApiProperty({ example: 'Instance creation initiated' })
  message!: string;

  /** From the start times of the latest instances; 3 minutes before there are any. */
  @ApiProperty({ format: 'date-time', example: '2024-01-15T10:35:00.000Z' })
  estimatedReadyTime!: string;
}

/** What start, stop, restart and delete answer: taken, and carried through in the background. */
export class InstanceActionAccepted {
  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ enum: STATUSES, example: 'running' })
  status!: InstanceStatus;

  @ApiProperty({ example: 'stopping' })
  phase!: string;

  @ApiProperty({ example: 'Instance stop initiated' })
  message!: string;
}

export class PortMappingDto {
  @ApiProperty({ example: 8888 })
  port!: number;

  @ApiProperty({ example: 'https://inst-abc123.novita.ai:8888' })
  endpoint!: string;

  @ApiProperty({ example: 'jupyter' })
  type!: string;
}

export class ConnectionDetailsDto {
  @ApiPropertyOptional({ example: 'ssh root@inst-abc123.novita.ai' })
  ssh?: string;

  /** Changes with every start. */
  @ApiPropertyOptional()
  sshPassword?: string;

  @ApiPropertyOptional({ example: 'https://inst-abc123.novita.ai:8888' })
  jupyter?: string;

  @ApiPropertyOptional({ example: 'https://inst-abc123.novita.ai:7681' })
  webTerminal?: string;
}

export class StatusReasonDto {
  @ApiProperty({ example: 'NO_CAPACITY' })
  code!: string;

  @ApiProperty()
  message!: string;
}

export class MachineDto {
  @ApiProperty({ example: 'CN-HK-01' })
  region!: string;

  @ApiProperty({ example: '4090.16c62g' })
  productId!: string;

  @ApiProperty({ enum: ['spot', 'onDemand'] })
  billingMode!: string;

  /** USD per hour for the whole machine, as agreed when it was bought. */
  @ApiProperty({ example: '0.175' })
  pricePerHourUsd!: string;

  /** The provider's id of the machine, once known. */
  @ApiPropertyOptional()
  novitaId?: string;
}

export class InstanceSummary {
  @ApiProperty({ example: 'inst-abc123' })
  id!: string;

  @ApiProperty({ example: 'my-gpu-instance' })
  name!: string;

  @ApiProperty({ enum: STATUSES })
  status!: InstanceStatus;

  /** What is finer than the status. */
  @ApiProperty({ example: 'pulling' })
  phase!: string;

  @ApiProperty({ example: 1 })
  gpuNum!: number;

  @ApiProperty({ example: 'CN-HK-01' })
  region!: string;

  @ApiProperty({ example: 'RTX 4090 24GB' })
  productName!: string;

  @ApiProperty({ enum: ['spot', 'onDemand'] })
  billingMode!: string;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, example: { env: 'prod' } })
  labels!: Readonly<Record<string, string>>;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiPropertyOptional({ format: 'date-time' })
  readyAt?: string;

  @ApiPropertyOptional({ format: 'date-time' })
  deletedAt?: string;
}

export class InstanceDetails extends InstanceSummary {
  @ApiProperty({ type: [PortMappingDto] })
  portMappings!: PortMappingDto[];

  @ApiProperty({ type: ConnectionDetailsDto })
  connectionDetails!: ConnectionDetailsDto;

  @ApiProperty({ example: 'template-123' })
  templateId!: string;

  @ApiProperty({ example: 60 })
  rootfsSize!: number;

  @ApiProperty({ enum: ['migrate', 'replace', 'none'] })
  spotPolicy!: string;

  @ApiProperty()
  fallbackToOnDemand!: boolean;

  @ApiPropertyOptional()
  webhookUrl?: string;

  @ApiPropertyOptional({ type: ReadinessDto })
  readiness?: ReadinessDto;

  /** Why the instance is where it is. */
  @ApiPropertyOptional({ type: StatusReasonDto })
  statusReason?: StatusReasonDto;

  /** When the service looks at it again by itself. */
  @ApiPropertyOptional({ format: 'date-time' })
  nextCheckAt?: string;

  @ApiPropertyOptional({ type: MachineDto })
  machine?: MachineDto;
}

export class InstanceList {
  @ApiProperty({ type: [InstanceSummary] })
  instances!: InstanceSummary[];

  @ApiProperty({ example: 1 })
  total!: number;

  @ApiProperty({ example: 50 })
  limit!: number;

  @ApiProperty({ example: 0 })
  offset!: number;
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

export function toInstanceAccepted(instance: Instance, estimatedReadyTime: Date): InstanceAccepted {
  return {
    instanceId: instance.id,
    status: statusOf(instance.phase),
    message: isSettled(instance.phase) ? `Instance is ${instance.phase}` : 'Instance creation initiated',
    estimatedReadyTime: estimatedReadyTime.toISOString(),
  };
}

export function toInstanceActionAccepted({ id, phase }: Instance, message: string): InstanceActionAccepted {
  return { instanceId: id, status: statusOf(phase), phase, message };
}

export function toInstanceSummary(instance: InstanceGlance): InstanceSummary {
  const { id, name, phase, gpuNum, region, productName, billingMode, labels, createdAt, readyAt, deletedAt } = instance;
  return {
    id,
    name,
    status: statusOf(phase),
    phase,
    gpuNum,
    region,
    productName,
    billingMode,
    labels,
    createdAt: createdAt.toISOString(),
    ...(readyAt && { readyAt: readyAt.toISOString() }),
    ...(deletedAt && { deletedAt: deletedAt.toISOString() }),
  };
}

export function toInstanceList(
  instances: readonly InstanceGlance[],
  total: number,
  { limit, offset }: Page,
): InstanceList {
  return { instances: instances.map(toInstanceSummary), total, limit, offset };
}

/** Changes with everything that `toInstanceDetails` shows. */
export function instanceTag({ version }: InstanceView, machine: MachineView | null): string {
  return entityTag(version, machine && machine.id, machine && machine.version);
}

/** An allow-list: nothing that upstream shows (environment values, credentials of registries) passes through by itself. */
export function toInstanceDetails(instance: InstanceView, machine: MachineView | null): InstanceDetails {
  const { connection, reasonCode, reasonMessage, nextCheckAt, webhookUrl, readiness } = instance;
  return {
    ...toInstanceSummary(instance),
    ...(machine && { region: machine.region, machine: toMachineDto(machine) }),
    portMappings: connection
      ? connection.portMappings.map(({ port, endpoint, type }) => ({ port, endpoint, type }))
      : [],
    connectionDetails: connection ? toConnectionDetails(connection) : {},
    templateId: instance.templateId,
    rootfsSize: instance.rootfsSizeGb,
    spotPolicy: instance.spotPolicy,
    fallbackToOnDemand: instance.fallbackToOnDemand,
    ...(webhookUrl !== null && { webhookUrl }),
    ...(readiness && { readiness }),
    ...(reasonCode !== null && { statusReason: { code: reasonCode, message: reasonMessage ?? '' } }),
    ...(nextCheckAt && { nextCheckAt: nextCheckAt.toISOString() }),
  };
}

function toConnectionDetails({ ssh, sshPassword, jupyter, webTerminal }: Connection): ConnectionDetailsDto {
  return {
    ...(ssh !== null && { ssh }),
    ...(sshPassword !== null && { sshPassword }),
    ...(jupyter !== null && { jupyter }),
    ...(webTerminal !== null && { webTerminal }),
  };
}

function toMachineDto({ region, productId, billingMode, pricePerHourMicros, novitaId }: MachineView): MachineDto {
  return {
    region,
    productId,
    billingMode,
    pricePerHourUsd: toUsd(pricePerHourMicros),
    ...(novitaId !== null && { novitaId }),
  };
}

/** Micro-USD as a decimal text without trailing zeros: 175000 → "0.175". */
export function toUsd(micros: bigint): string {
  const whole = micros / 1_000_000n;
  const rest = String(micros % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '');
  return rest === '' ? String(whole) : `${whole}.${rest}`;
}
