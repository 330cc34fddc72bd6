import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayUnique, IsArray, IsBoolean, IsIn, IsNotEmpty, IsString, MaxLength } from 'class-validator';
import { NOTIFIED_TYPES, type NotifiedType } from '../events/event.js';
import { Optional } from '../platform/http/optional.js';
import { Paged } from '../platform/http/pagination.js';
import type { DisabledReason, Endpoint, EndpointKind } from './domain/endpoint.js';
import type { Outcome } from './domain/outcome.js';
import { classifyFailure } from './domain/retry-schedule.js';
import { IsHeaders } from './is-headers.js';

const UNKNOWN_TYPE = `must be among ${NOTIFIED_TYPES.join(', ')}`;

export class CreateWebhookDto {
  /** Where events are POSTed to: public https, or a receiver that the operator has allowed. */
  @ApiProperty({ maxLength: 2000, format: 'uri', example: 'https://your-app.com/webhook' })
  @IsNotEmpty({ message: 'URL is required' })
  @IsString({ message: 'URL must be a text' })
  @MaxLength(2000)
  url!: string;

  /** Which events; all of them when it is absent or empty. */
  @ApiPropertyOptional({ enum: NOTIFIED_TYPES, isArray: true, default: [] })
  @Optional()
  @IsArray({ message: 'must be a list of event types' })
  @ArrayMaxSize(NOTIFIED_TYPES.length)
  @ArrayUnique({ message: 'must name no type twice' })
  @IsIn(NOTIFIED_TYPES, { each: true, message: UNKNOWN_TYPE })
  eventTypes?: NotifiedType[];

  @ApiPropertyOptional({ default: true })
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  enabled?: boolean;

  /**
   * Sent along with every event, for example for a gateway: at most 20. Only their names are shown again. Those of the message
   * and the connection (`webhook-…`, `content-type`, `user-agent`, `host` …) are ours, and `authorization` needs https.
   */
  @IsHeaders()
  headers?: Record<string, string>;
}

export class UpdateWebhookDto {
  @ApiPropertyOptional({ maxLength: 2000, format: 'uri', example: 'https://your-app.com/webhook' })
  @Optional()
  @IsString({ message: 'URL must be a text' })
  @MaxLength(2000)
  url?: string;

  /** Empty: all of them. */
  @ApiPropertyOptional({ enum: NOTIFIED_TYPES, isArray: true })
  @Optional()
  @IsArray({ message: 'must be a list of event types' })
  @ArrayMaxSize(NOTIFIED_TYPES.length)
  @ArrayUnique({ message: 'must name no type twice' })
  @IsIn(NOTIFIED_TYPES, { each: true, message: UNKNOWN_TYPE })
  eventTypes?: NotifiedType[];

  /** While it is false, events are held for up to 30 days; true sends them all. */
  @ApiPropertyOptional()
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  enabled?: boolean;

  /** All of them anew; none: an empty object. To be given with a URL of another origin: the old ones do not go there. */
  @IsHeaders()
  headers?: Record<string, string>;
}

export class ListWebhooksQuery extends Paged(50) {}

export class WebhookHealth {
  @ApiProperty({ type: 'integer', example: 0 })
  failuresInRow!: number;

  /** Since when not one try has succeeded; null while the last one did. After five days the webhook is disabled. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  failingSince!: string | null;

  /** Set while sending is suspended: when one event will be sent to see whether the receiver is back. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextProbeAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastSuccessAt!: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastFailureAt!: string | null;
}

export class WebhookDto {
  @ApiProperty({ example: 'whe_01HM5Z3V8Q4J7K2N9P6R1T0W5X' })
  id!: string;

  /** `instance`: comes from the webhookUrl of instances, and gets the events of those alone. */
  @ApiProperty({ enum: ['subscription', 'instance'] })
  kind!: EndpointKind;

  @ApiProperty({ format: 'uri', example: 'https://your-app.com/webhook' })
  url!: string;

  /** Empty: all of them. */
  @ApiProperty({ enum: NOTIFIED_TYPES, isArray: true })
  eventTypes!: NotifiedType[];

  @ApiProperty()
  enabled!: boolean;

  /** Of the headers that are sent along. */
  @ApiProperty({ type: [String], example: ['X-Gateway-Token'] })
  headerNames!: string[];

  /** By its user, because it answered 410 (gone), or because it failed for five days (failing). */
  @ApiProperty({ type: String, enum: ['user', 'gone', 'failing'], nullable: true })
  disabledReason!: DisabledReason | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  disabledAt!: string | null;

  @ApiProperty({ type: WebhookHealth })
  health!: WebhookHealth;

  @ApiProperty({ format: 'date-time' })
  createdAt!: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: string;
}

export class WebhookWithSecret extends WebhookDto {
  /** Verifies the webhooks of this receiver, as standardwebhooks.com describes; it is shown only now. */
  @ApiProperty({ example: 'whsec_…' })
  secret!: string;
}

export class WebhookList {
  @ApiProperty({ type: [WebhookDto] })
  webhooks!: WebhookDto[];

  @ApiProperty({ type: 'integer', example: 1 })
  total!: number;

  @ApiProperty({ type: 'integer', example: 50 })
  limit!: number;

  @ApiProperty({ type: 'integer', example: 0 })
  offset!: number;
}

export class WebhookTestResult {
  @ApiProperty()
  delivered!: boolean;

  @ApiProperty({ type: 'integer', nullable: true, example: 204 })
  status!: number | null;

  /** What went wrong in a word: dns, connect, tls, timeout, refused, redirected, client-error, server-error … */
  @ApiProperty({ type: String, nullable: true, example: null })
  failure!: string | null;

  @ApiProperty({ type: 'integer', example: 84 })
  durationMs!: number;
}

export function toWebhookDto(endpoint: Endpoint): WebhookDto {
  const { breaker } = endpoint;
  return {
    id: endpoint.id,
    kind: endpoint.kind,
    url: endpoint.url,
    eventTypes: [...endpoint.eventTypes],
    enabled: endpoint.state === 'enabled',
    headerNames: [...(endpoint.headers?.names ?? [])],
    disabledReason: endpoint.disabledReason,
    disabledAt: iso(endpoint.disabledAt),
    health: {
      failuresInRow: breaker.failuresInRow,
      failingSince: iso(breaker.failingSince),
      nextProbeAt: iso(breaker.nextProbeAt),
      lastSuccessAt: iso(endpoint.lastSuccessAt),
      lastFailureAt: iso(endpoint.lastFailureAt),
    },
    createdAt: endpoint.createdAt.toISOString(),
    updatedAt: endpoint.updatedAt.toISOString(),
  };
}

export function toWebhookWithSecret({ endpoint, secret }: { endpoint: Endpoint; secret: string }): WebhookWithSecret {
  return { ...toWebhookDto(endpoint), secret };
}

export function toWebhookTestResult(outcome: Outcome): WebhookTestResult {
  const status = outcome.kind === 'answered' ? outcome.status : null;
  const delivered = status !== null && status >= 200 && status <= 299;
  return { delivered, status, failure: delivered ? null : classifyFailure(outcome), durationMs: outcome.durationMs };
}

function iso(date: Date | null): string | null {
  return date?.toISOString() ?? null;
}
