import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { ANONYMOUS } from '../platform/http/caller.js';
import { ApiErrors } from '../platform/http/openapi.js';
import {
  CreateWebhookDto,
  ListWebhooksQuery,
  toWebhookDto,
  toWebhookTestResult,
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
  @ApiCreatedResponse({ type: WebhookWithSecret })
  @ApiErrors(400, 409, 413, 415)
  async createWebhook(@Body() { url, eventTypes, enabled }: CreateWebhookDto): Promise<WebhookWithSecret> {
    const wish = { url, eventTypes: eventTypes ?? [], enabled: enabled ?? true };
    const { endpoint, secret } = await this.webhooks.subscribe(wish, ANONYMOUS);
    return { ...toWebhookDto(endpoint), secret };
  }

  /** All receivers, the newest first: subscriptions, and those that instances have named. */
  @Get()
  @ApiOkResponse({ type: WebhookList })
  @ApiErrors(400)
  async listWebhooks(@Query() { limit, offset }: ListWebhooksQuery): Promise<WebhookList> {
    const { endpoints, total } = await this.webhooks.list({ limit, offset }, ANONYMOUS);
    return { webhooks: endpoints.map(toWebhookDto), total, limit, offset };
  }

  @Get(':webhookId')
  @ApiOkResponse({ type: WebhookDto })
  @ApiErrors(404)
  async getWebhook(@Param('webhookId') webhookId: string): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.get(webhookId, ANONYMOUS));
  }

  /** What is not named stays. A new URL, or enabling, lets everything that waits be tried at once. */
  @Patch(':webhookId')
  @ApiOkResponse({ type: WebhookDto })
  @ApiErrors(400, 404, 409, 413, 415)
  async updateWebhook(@Param('webhookId') webhookId: string, @Body() change: UpdateWebhookDto): Promise<WebhookDto> {
    return toWebhookDto(await this.webhooks.change(webhookId, change, ANONYMOUS));
  }

  /** Nothing more is sent to it, not even what waits. */
  @Delete(':webhookId')
  @HttpCode(204)
  @ApiNoContentResponse()
  @ApiErrors(404, 409)
  async deleteWebhook(@Param('webhookId') webhookId: string): Promise<void> {
    await this.webhooks.unsubscribe(webhookId, ANONYMOUS);
  }

  /** A new secret, shown in this answer only. For 24 hours webhooks carry the signatures of both. */
  @Post(':webhookId/rotate-secret')
  @HttpCode(200)
  @ApiOkResponse({ type: WebhookWithSecret })
  @ApiErrors(404, 409)
  async rotateWebhookSecret(@Param('webhookId') webhookId: string): Promise<WebhookWithSecret> {
    const { endpoint, secret } = await this.webhooks.rotateSecret(webhookId, ANONYMOUS);
    return { ...toWebhookDto(endpoint), secret };
  }

  /** Send a sample event now and say what came of it. */
  @Post(':webhookId/test')
  @HttpCode(200)
  @ApiOkResponse({ type: WebhookTestResult })
  @ApiErrors(404)
  async testWebhook(@Param('webhookId') webhookId: string): Promise<WebhookTestResult> {
    return toWebhookTestResult(await this.webhooks.sendTest(webhookId, ANONYMOUS));
  }
}
