import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { QueryInt } from '../platform/http/query-int.js';
import { encodeCursor } from './domain/cursor.js';
import { EVENT_TYPES, type EventType, type RecordedEvent } from './event.js';

class TypesQuery {
  /** Only these, separated by commas; all without it. */
  @ApiPropertyOptional({ type: String, example: 'instance.ready,instance.failed' })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.split(',') : value))
  @IsIn(EVENT_TYPES, { each: true, message: `must be event types separated by commas: ${EVENT_TYPES.join(', ')}` })
  types?: EventType[];

  /** The cursor of the last event that was read, or a page's `nextCursor`. */
  @ApiPropertyOptional({ maxLength: 64, example: 'MS4xMjM0LjU2' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  after?: string;
}

export class ListEventsQuery extends TypesQuery {
  @QueryInt({ min: 1, max: 500, default: 100, description: 'How many to return at most' })
  limit!: number;
}

export class StreamEventsQuery extends TypesQuery {}

export class ListInstanceEventsQuery {
  @QueryInt({ min: 0, max: 2_147_483_647, default: 0, description: 'The sequence of the last event that was read' })
  after!: number;

  @QueryInt({ min: 1, max: 500, default: 100, description: 'How many to return at most' })
  limit!: number;
}

export class EventReason {
  @ApiProperty({ example: 'STARTUP_TIMEOUT' })
  code!: string;

  @ApiPropertyOptional({ example: 'Instance failed to start within 10 minutes' })
  message?: string;
}

export class EventDto {
  /** The same as the webhook-id that receivers get. */
  @ApiProperty({ example: 'evt_01HM5Z3V8Q4J7K2N9P6R1T0W5X' })
  id!: string;

  /** Where to go on reading after this event. */
  @ApiProperty({ example: 'MS4xMjM0LjU2' })
  cursor!: string;

  @ApiProperty({ enum: EVENT_TYPES, example: 'instance.ready' })
  type!: EventType;

  @ApiProperty({ example: 'inst-abc123' })
  instanceId!: string;

  /** Counts from 1 without a gap inside the instance. */
  @ApiProperty({ type: 'integer', minimum: 1, example: 4 })
  sequence!: number;

  @ApiProperty({ type: String, format: 'date-time', example: '2024-01-15T10:33:45.000Z' })
  occurredAt!: string;

  /** Who or what caused it: `user:` and the key, or service, observer, schedule, upstream. */
  @ApiProperty({ example: 'user:anonymous' })
  actor!: string;

  /** The phase before; null for a new instance. */
  @ApiProperty({ type: String, nullable: true, example: 'starting' })
  from!: string | null;

  @ApiProperty({ example: 'running' })
  to!: string;

  @ApiProperty({ type: EventReason, nullable: true })
  reason!: EventReason | null;

  @ApiProperty({ type: 'object', additionalProperties: true })
  data!: Record<string, unknown>;

  /** What receivers of webhooks are told; null for the finer steps, which are in the log alone. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  notification!: Record<string, unknown> | null;
}

export class EventList {
  @ApiProperty({ type: [EventDto] })
  events!: EventDto[];

  /** Ask for what comes after it; keep it also when the page is empty. */
  @ApiProperty({ example: 'MS4xMjM0LjU2' })
  nextCursor!: string;

  /** More is there already. A page may be short, or empty, and still have more behind it. */
  @ApiProperty()
  hasMore!: boolean;
}

export class InstanceEventList {
  @ApiProperty({ type: [EventDto] })
  events!: EventDto[];

  @ApiProperty()
  hasMore!: boolean;
}

export function toEventDto(event: RecordedEvent): EventDto {
  const { message, ...data } = event.data;
  return {
    id: event.id,
    cursor: encodeCursor(event.cursor),
    type: event.type,
    instanceId: event.instanceId,
    sequence: event.sequence,
    occurredAt: event.occurredAt.toISOString(),
    actor: event.actor,
    from: event.fromPhase,
    to: event.toPhase,
    reason:
      event.reasonCode === null
        ? null
        : { code: event.reasonCode, ...(typeof message === 'string' ? { message } : {}) },
    data,
    notification: event.body === null ? null : (JSON.parse(event.body) as Record<string, unknown>),
  };
}
