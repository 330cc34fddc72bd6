import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Settings } from '../platform/config.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { ApiErrors } from '../platform/http/openapi.js';
import type { UserAction } from './domain/decide-request.js';
import {
  CreateInstanceDto,
  InstanceAccepted,
  InstanceActionAccepted,
  InstanceDetails,
  InstanceList,
  ListInstancesQuery,
  toInstanceAccepted,
  toInstanceActionAccepted,
  toInstanceDetails,
  toInstanceOrder,
  toInstanceSummary,
} from './instances.dto.js';
import { InstancesService } from './instances.service.js';

@ApiTags('instances')
@Controller('api/instances')
export class InstancesController {
  constructor(
    private readonly instances: InstancesService,
    private readonly settings: Settings,
  ) {}

  /** Ask for a GPU instance; it is created, started and watched until it is ready. */
  @Post()
  @ApiCreatedResponse({ type: InstanceAccepted })
  @ApiErrors(400, 413, 415)
  async createInstance(@Body() order: CreateInstanceDto, @CurrentCaller() caller: Caller): Promise<InstanceAccepted> {
    const instance = await this.instances.request(
      toInstanceOrder(order, { region: this.settings.defaultRegion }),
      caller,
    );
    return toInstanceAccepted(instance, await this.instances.estimateReadyTime(instance));
  }

  /** All managed instances, the newest first. */
  @Get()
  @ApiOkResponse({ type: InstanceList })
  @ApiErrors(400)
  async listInstances(@Query() query: ListInstancesQuery, @CurrentCaller() caller: Caller): Promise<InstanceList> {
    const { limit, offset, status, includeDeleted } = query;
    const filter = { includeDeleted, ...(status === undefined ? {} : { status }) };
    const { instances, total } = await this.instances.list(filter, { limit, offset }, caller);
    return { instances: instances.map(toInstanceSummary), total, limit, offset };
  }

  /** One instance, by its id or by the provider's id of its machine. */
  @Get(':instanceId')
  @ApiOkResponse({ type: InstanceDetails })
  @ApiErrors(404)
  async getInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceDetails> {
    const { instance, machine } = await this.instances.get(instanceId, caller);
    return toInstanceDetails(instance, machine);
  }

  /** End the instance in whatever state it is; once nothing bills any more it is gone. */
  @Delete(':instanceId')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404)
  async deleteInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceActionAccepted> {
    return this.act('delete', instanceId, caller, 'Instance deletion initiated');
  }

  /** Start a stopped instance; ports and passwords change with every start. */
  @Post(':instanceId/start')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async startInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceActionAccepted> {
    return this.act('start', instanceId, caller, 'Instance start initiated');
  }

  /** Stop a running instance; its GPU is released and a later start may have to move it. */
  @Post(':instanceId/stop')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async stopInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceActionAccepted> {
    return this.act('stop', instanceId, caller, 'Instance stop initiated');
  }

  /** Restart a running instance on its machine. */
  @Post(':instanceId/restart')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async restartInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceActionAccepted> {
    return this.act('restart', instanceId, caller, 'Instance restart initiated');
  }

  private async act(
    action: UserAction,
    instanceId: string,
    caller: Caller,
    message: string,
  ): Promise<InstanceActionAccepted> {
    return toInstanceActionAccepted(await this.instances.act(action, instanceId, caller), message);
  }
}
