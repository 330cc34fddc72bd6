import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { Answering, CurrentAnswering } from '../platform/http/idempotency/answering.js';
import { Idempotent } from '../platform/http/idempotency/idempotent.js';
import { ApiErrors } from '../platform/http/openapi.js';
import {
  CreateWebhookDto,
  ListWebhooksQuery,
  toWebhookDto,
  toWebhookTestResult,
  toWebhookWithSecret,
  UpdateWebhookDto,
  WebhookDto,
  WebhookList,
  WebhookTestResult,
  WebhookWithSecret,
} from './webhooks.dto.js';
import { WebhooksService } from './webhooks.service.js';

@ApiTags('webhooks')
@Controller('api/webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  /** Have the events of all instances POSTed to a receiver. Its secret is shown in this answer only. */
  @Post()
  @RequireScope('webhooks:write')
  @Idempotent()
  @ApiCreatedResponse({ type: WebhookWithSecret })
  @ApiErrors(400, 409, 413, 415)
  async createWebhook(
    @Body() { url, eventTypes, enabled, headers }: CreateWebhookDto,
    @CurrentCaller() caller: Caller,
    @CurrentAnswering() answering: Answering,
  ): Promise<WebhookWithSecret> {
    const wish = { url, eventTypes: eventTypes ?? [], enabled: enabled ?? true, headers: headers ?? {} };
    return toWebhookWithSecret(
      await this.webhooks.subscribe(wish, caller, (made, tx) => answering.keep(toWebhookWithSecret(made), tx)),
    );
  }

  /** All receivers, the newest first: subscriptions, and those that instances have named. */
  @Get()
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: WebhookList })
  @ApiErrors(400)
  async listWebhooks(
    @Query() { limit, offset }: ListWebhooksQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<WebhookList> {
    const { endpoints, total } = await this.webhooks.list({ limit, offset }, caller);
    return { webhooks: endpoints.map(toWebhookDto), total, limit, offset };
  }

  /** One receiver, and how it has been doing lately. */
  @Get(':webhookId')
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: WebhookDto })
  @ApiErrors(404)
  async getWebhook(@Param('webhookId') webhookId: string, @CurrentCaller() caller: Caller): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.get(webhookId, caller));
  }

  /** What is not named stays. A new URL, or enabling, lets everything that waits be tried at once. */
  @Patch(':webhookId')
  @RequireScope('webhooks:write')
  @ApiOkResponse({ type: WebhookDto })
  @ApiErrors(400, 404, 409, 413, 415)
  async updateWebhook(
    @Param('webhookId') webhookId: string,
    @Body() change: UpdateWebhookDto,
    @CurrentCaller() caller: Caller,
  ): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.change(webhookId, change, caller));
  }

  /** Nothing more is sent to it, not even what waits. */
  @Delete(':webhookId')
  @RequireScope('webhooks:write')
  @HttpCode(204)
  @ApiNoContentResponse()
  @ApiErrors(404, 409)
  async deleteWebhook(@Param('webhookId') webhookId: string, @CurrentCaller() caller: Caller): Promise<void> {
    await this.webhooks.unsubscribe(webhookId, caller);
  }

  /** A new secret, shown in this answer only. For 24 hours webhooks carry the signatures of both. */
  @Post(':webhookId/rotate-secret')
  @RequireScope('webhooks:write')
  @Idempotent()
  @HttpCode(200)
  @ApiOkResponse({ type: WebhookWithSecret })
  @ApiErrors(404, 409)
  async rotateWebhookSecret(
    @Param('webhookId') webhookId: string,
    @CurrentCaller() caller: Caller,
    @CurrentAnswering() answering: Answering,
  ): Promise<WebhookWithSecret> {
    return toWebhookWithSecret(
      await this.webhooks.rotateSecret(webhookId, caller, (made, tx) => answering.keep(toWebhookWithSecret(made), tx)),
    );
  }

  /** Send a sample event now and say what came of it. */
  @Post(':webhookId/test')
  @RequireScope('webhooks:write')
  @HttpCode(200)
  @ApiOkResponse({ type: WebhookTestResult })
  @ApiErrors(404)
  async testWebhook(
    @Param('webhookId') webhookId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<WebhookTestResult> {
    return toWebhookTestResult(await this.webhooks.sendTest(webhookId, caller));
  }
}
