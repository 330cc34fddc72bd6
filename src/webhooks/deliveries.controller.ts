import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Clock } from '../platform/clock.js';
import { ANONYMOUS } from '../platform/http/caller.js';
import { ApiErrors } from '../platform/http/openapi.js';
import {
  DeliveryDetails,
  DeliveryList,
  ListDeliveriesQuery,
  RedeliverDto,
  RedeliveryAccepted,
  toAttemptDto,
  toDeliveryDto,
  toDeliveryFilter,
} from './deliveries.dto.js';
import { DeliveriesRepository } from './deliveries.repository.js';
import { DeliveryNotFound } from './webhooks.errors.js';

const AT_ONCE = 10_000;

@ApiTags('webhooks')
@Controller('api/webhooks/deliveries')
export class DeliveriesController {
  constructor(
    private readonly deliveries: DeliveriesRepository,
    private readonly clock: Clock,
  ) {}

  /** What was, or is to be, sent to receivers, the newest first. */
  @Get()
  @ApiOkResponse({ type: DeliveryList })
  @ApiErrors(400)
  async listWebhookDeliveries(@Query() query: ListDeliveriesQuery): Promise<DeliveryList> {
    const { limit, offset } = query;
    const filter = toDeliveryFilter(query, ANONYMOUS.teamId);
    const found = await this.deliveries.list(filter, { limit: limit + 1, offset });
    return { deliveries: found.slice(0, limit).map(toDeliveryDto), hasMore: found.length > limit };
  }

  /** One delivery, and what each try got. */
  @Get(':deliveryId')
  @ApiOkResponse({ type: DeliveryDetails })
  @ApiErrors(404)
  async getWebhookDelivery(@Param('deliveryId') deliveryId: string): Promise<DeliveryDetails> {
    const delivery = await this.deliveries.find(deliveryId, ANONYMOUS.teamId);
    if (delivery === null) throw new DeliveryNotFound();
    const tries = await this.deliveries.attemptsOf(delivery.id);
    return { ...toDeliveryDto(delivery), tries: tries.map(toAttemptDto) };
  }

  /** Send all deliveries that match again, the oldest first, each instance's in their order. */
  @Post('redeliver')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RedeliveryAccepted })
  @ApiErrors(400, 413, 415)
  async redeliverWebhooks(@Body() wish: RedeliverDto): Promise<RedeliveryAccepted> {
    const filter = toDeliveryFilter(wish, ANONYMOUS.teamId);
    const count = await this.deliveries.redeliver(filter, this.clock.now(), AT_ONCE);
    return { count, hasMore: count === AT_ONCE };
  }

  /** Send one delivery again, whatever became of it. */
  @Post(':deliveryId/redeliver')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RedeliveryAccepted })
  @ApiErrors(404)
  async redeliverWebhook(@Param('deliveryId') deliveryId: string): Promise<RedeliveryAccepted> {
    const filter = { teamId: ANONYMOUS.teamId, id: deliveryId };
    const count = await this.deliveries.redeliver(filter, this.clock.now(), 1);
    if (count === 0) throw new DeliveryNotFound();
    return { count, hasMore: false };
  }
}
