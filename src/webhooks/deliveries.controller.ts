import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Clock } from '../platform/clock.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
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
import { DeliveriesRepository, type DeliveryFilter } from './deliveries.repository.js';
import { DeliveryNotFound } from './webhooks.errors.js';

const AT_ONCE = 10_000;

@ApiTags('webhooks')
@Controller('api/webhooks/deliveries')
export class DeliveriesController {
  constructor(
    private readonly deliveries: DeliveriesRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly clock: Clock,
  ) {}

  /** What was, or is to be, sent to receivers, the newest first. */
  @Get()
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: DeliveryList })
  @ApiErrors(400)
  async listWebhookDeliveries(
    @Query() query: ListDeliveriesQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<DeliveryList> {
    const { limit, offset } = query;
    const filter = toDeliveryFilter(query, caller.teamId);
    const found = await this.deliveries.list(filter, { limit: limit + 1, offset });
    return { deliveries: found.slice(0, limit).map(toDeliveryDto), hasMore: found.length > limit };
  }

  /** One delivery, and what each try got. */
  @Get(':deliveryId/attempts')
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: DeliveryDetails })
  @ApiErrors(404)
  async getWebhookDelivery(
    @Param('deliveryId') deliveryId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<DeliveryDetails> {
    const delivery = await this.deliveries.find(deliveryId, caller.teamId);
    if (delivery === null) throw new DeliveryNotFound();
    const tries = await this.deliveries.attemptsOf(delivery.id);
    return { ...toDeliveryDto(delivery), tries: tries.map(toAttemptDto) };
  }

  /** Send all deliveries that match again, the oldest first, each instance's in their order. */
  @Post('redeliver')
  @RequireScope('webhooks:write')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RedeliveryAccepted })
  @ApiErrors(400, 413, 415)
  async redeliverWebhooks(@Body() wish: RedeliverDto, @CurrentCaller() caller: Caller): Promise<RedeliveryAccepted> {
    const filter = toDeliveryFilter(wish, caller.teamId);
    const count = await this.redeliver(filter, AT_ONCE);
    return { count, hasMore: count === AT_ONCE };
  }

  /** Send one delivery again, whatever became of it. */
  @Post(':deliveryId/redeliver')
  @RequireScope('webhooks:write')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RedeliveryAccepted })
  @ApiErrors(404)
  async redeliverWebhook(
    @Param('deliveryId') deliveryId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<RedeliveryAccepted> {
    const filter = { teamId: caller.teamId, id: deliveryId };
    const count = await this.redeliver(filter, 1);
    if (count === 0) throw new DeliveryNotFound();
    return { count, hasMore: false };
  }

  private redeliver(filter: DeliveryFilter & { id?: string }, limit: number): Promise<number> {
    const now = this.clock.now();
    return this.unitOfWork.run((tx) => this.deliveries.redeliver(filter, now, limit, tx));
  }
}
