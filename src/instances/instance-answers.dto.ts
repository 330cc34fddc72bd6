import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { entityTag } from '../platform/http/entity-tag.js';
import { type Connection, type InstanceStatus, STATUSES, statusOf, waysInOf } from './domain/instance.js';
import type { Page } from './domain/instance-filter.js';
import type { InstanceGlance, InstanceView, MachineView } from './domain/instance-view.js';
import { ReadinessDto } from './instances.dto.js';

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

  /** The provider's own word for the state of the machine when it was last seen to change. */
  @ApiPropertyOptional({ example: 'running' })
  providerStatus?: string;

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
  const seenAt = machine && machine.lastSeenAt;
  return entityTag(version, machine && machine.id, machine && machine.version, seenAt && seenAt.getTime());
}

/** An allow-list: nothing that upstream shows (environment values, credentials of registries) passes through by itself. */
export function toInstanceDetails(instance: InstanceView, machine: MachineView | null): InstanceDetails {
  const { reasonCode, reasonMessage, nextCheckAt, webhookUrl, readiness } = instance;
  const connection = waysInOf(instance);
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

function toMachineDto(machine: MachineView): MachineDto {
  const { region, productId, billingMode, pricePerHourMicros, novitaId, seenRawStatus } = machine;
  return {
    region,
    productId,
    billingMode,
    pricePerHourUsd: toUsd(pricePerHourMicros),
    ...(seenRawStatus !== null && { providerStatus: seenRawStatus }),
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
