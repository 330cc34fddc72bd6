import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
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
  toPlace,
  toRedeliveryAccepted,
} from './deliveries.dto.js';
import { DeliveriesService } from './deliveries.service.js';

@ApiTags('webhooks')
@Controller('api/webhooks/deliveries')
export class DeliveriesController {
  constructor(private readonly deliveries: DeliveriesService) {}

  /** What was, or is to be, sent to receivers, the newest first. */
  @Get()
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: DeliveryList })
  @ApiErrors(400)
  async listWebhookDeliveries(
    @Query() query: ListDeliveriesQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<DeliveryList> {
    const { deliveries, hasMore } = await this.deliveries.list(toDeliveryFilter(query, caller.teamId), query);
    return { deliveries: deliveries.map(toDeliveryDto), hasMore };
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
    const { delivery, tries } = await this.deliveries.get(deliveryId, caller.teamId);
    return { ...toDeliveryDto(delivery), tries: tries.map(toAttemptDto) };
  }

  /** Send all deliveries that match again; at least one condition must be given. They go the oldest first, each instance's in their order. */
  @Post('redeliver')
  @RequireScope('webhooks:write')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: RedeliveryAccepted })
  @ApiErrors(400, 413, 415)
  async redeliverWebhooks(@Body() wish: RedeliverDto, @CurrentCaller() caller: Caller): Promise<RedeliveryAccepted> {
    const filter = toDeliveryFilter(wish, caller.teamId);
    return toRedeliveryAccepted(await this.deliveries.redeliverAll(filter, toPlace(wish)));
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
    await this.deliveries.redeliverOne(deliveryId, caller.teamId);
    return toRedeliveryAccepted({ count: 1, next: null });
  }
}
