import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsString, MaxLength } from 'class-validator';
import { InvalidRequest } from '../platform/app-error.js';
import { Optional } from '../platform/http/optional.js';
import { QueryInt } from '../platform/http/query-int.js';
import { QueryTime } from '../platform/http/query-time.js';
import {
  type Attempt,
  DELIVERY_STATUSES,
  type Delivery,
  type DeliveryFilter,
  type DeliveryStatus,
} from './deliveries.repository.js';
import type { Redelivered } from './deliveries.service.js';
import { type DeliveryPlace, encodePlace, parsePlace } from './domain/delivery-place.js';

/** Which deliveries; every condition that is given must hold. */
class DeliveryConditions {
  @ApiPropertyOptional({ maxLength: 64, example: 'whe_01HM5Z3V8Q4J7K2N9P6R1T0W5X' })
  @Optional()
  @IsString()
  @MaxLength(64)
  webhookId?: string;

  @ApiPropertyOptional({ maxLength: 64, example: 'inst-abc123' })
  @Optional()
  @IsString()
  @MaxLength(64)
  instanceId?: string;

  @ApiPropertyOptional({ enum: DELIVERY_STATUSES })
  @Optional()
  @IsIn(DELIVERY_STATUSES, { message: `must be one of ${DELIVERY_STATUSES.join(', ')}` })
  status?: DeliveryStatus;

  /** Of events at or after this time. */
  @QueryTime()
  from?: Date;

  /** Of events before this time. */
  @QueryTime()
  to?: Date;
}

export class RedeliverDto extends DeliveryConditions {
  /** The `next` of an earlier answer: go on behind what that call has sent again. */
  @ApiPropertyOptional({ maxLength: 64, example: '1700000000000.dlv_5f2b9c7e1a4d8063b7c2e9f01d3a4b5c' })
  @Optional()
  @IsString()
  @MaxLength(64)
  after?: string;
}

export class ListDeliveriesQuery extends DeliveryConditions {
  @QueryInt({ min: 1, max: 100, default: 50, description: 'How many to return at most' })
  limit!: number;

  @QueryInt({ min: 0, max: 1_000_000, default: 0, description: 'How many to skip' })
  offset!: number;
}

export class DeliveryDto {
  @ApiProperty({ example: 'dlv_5f2b9c7e1a4d8063b7c2e9f01d3a4b5c' })
  id!: string;

  /** The webhook-id that the receiver gets. */
  @ApiProperty({ example: 'evt_01HM5Z3V8Q4J7K2N9P6R1T0W5X' })
  eventId!: string;

  @ApiProperty({ example: 'instance.ready' })
  eventType!: string;

  @ApiProperty({ example: 'whe_01HM5Z3V8Q4J7K2N9P6R1T0W5X' })
  webhookId!: string;

  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  @ApiProperty({ type: 'integer', example: 4 })
  sequence!: number;

  /** `held`: the receiver is disabled; `failed`: all tries were used; `expired`: held for too long. */
  @ApiProperty({ enum: DELIVERY_STATUSES })
  status!: DeliveryStatus;

  /** Tries so far; those that only look whether the receiver is back do not count. */
  @ApiProperty({ type: 'integer', example: 1 })
  attempts!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextAttemptAt!: string | null;

  @ApiProperty({ type: 'integer', nullable: true, example: 204 })
  lastStatus!: number | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  lastFailure!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastAttemptAt!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  deliveredAt!: string | null;
}

export class AttemptDto {
  @ApiProperty({ format: 'date-time' })
  at!: string;

  @ApiProperty({ type: 'integer', nullable: true, example: 503 })
  status!: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'server-error' })
  failure!: string | null;

  @ApiProperty({ type: 'integer', example: 84 })
  durationMs!: number;

  /** Of the answer's body that were read; the body itself is never kept. */
  @ApiProperty({ type: 'integer', example: 0 })
  bytes!: number;

  /** Sent only to see whether the receiver is back. */
  @ApiProperty()
  isProbe!: boolean;
}

export class DeliveryDetails extends DeliveryDto {
  @ApiProperty({ type: [AttemptDto] })
  tries!: AttemptDto[];
}

export class DeliveryList {
  @ApiProperty({ type: [DeliveryDto] })
  deliveries!: DeliveryDto[];

  @ApiProperty()
  hasMore!: boolean;
}

export class RedeliveryAccepted {
  /** How many will be sent again; the same events, byte for byte. */
  @ApiProperty({ type: 'integer', example: 12 })
  count!: number;

  /** There were more than one call takes: ask again, with `after`. */
  @ApiProperty()
  hasMore!: boolean;

  /** What to give as `after` to go on; null when there is nothing left. */
  @ApiProperty({ type: String, nullable: true, example: null })
  next!: string | null;
}

export function toDeliveryFilter(query: DeliveryConditions, teamId: string): DeliveryFilter {
  const { webhookId, instanceId, status, from, to } = query;
  return { teamId, webhookId, instanceId, status, from, to };
}

/** @throws InvalidRequest */
export function toPlace({ after }: RedeliverDto): DeliveryPlace | null {
  if (after === undefined) return null;
  const place = parsePlace(after);
  if (place === null) throw new InvalidRequest('after', 'must be the next of an earlier answer');
  return place;
}

export function toRedeliveryAccepted({ count, next }: Redelivered): RedeliveryAccepted {
  return { count, hasMore: next !== null, next: next && encodePlace(next) };
}

export function toDeliveryDto(delivery: Delivery): DeliveryDto {
  return {
    id: delivery.id,
    eventId: delivery.eventId,
    eventType: delivery.eventType,
    webhookId: delivery.webhookId,
    instanceId: delivery.instanceId,
    sequence: delivery.sequence,
    status: delivery.status,
    attempts: delivery.attempts,
    nextAttemptAt: iso(delivery.nextAttemptAt),
    lastStatus: delivery.lastStatus,
    lastFailure: delivery.lastClass,
    lastAttemptAt: iso(delivery.lastAttemptAt),
    createdAt: delivery.createdAt.toISOString(),
    deliveredAt: iso(delivery.deliveredAt),
  };
}

export function toAttemptDto(attempt: Attempt): AttemptDto {
  const { at, status, durationMs, bytes, isProbe } = attempt;
  return { at: at.toISOString(), status, failure: attempt.class, durationMs, bytes, isProbe };
}

function iso(date: Date | null): string | null {
  return date?.toISOString() ?? null;
}
