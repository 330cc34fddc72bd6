import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { addMs } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { Answering, CurrentAnswering } from '../platform/http/idempotency/answering.js';
import { Idempotent } from '../platform/http/idempotency/idempotent.js';
import { answerIsKnown, Conditional } from '../platform/http/entity-tag.js';
import { CurrentPatience, MayWait, Patience } from '../platform/http/prefer-wait.js';
import { ApiErrors } from '../platform/http/openapi.js';
import type { UserAction } from './domain/decide-request.js';
import { type Instance, isSettled } from './domain/instance.js';
import {
  InstanceAccepted,
  InstanceActionAccepted,
  toInstanceAccepted,
  toInstanceActionAccepted,
} from './instance-accepted.dto.js';
import { InstanceDetails, InstanceList } from './instance-answers.dto.js';
import { InstanceReads } from './instance-reads.js';
import { CreateInstanceDto, ListInstancesQuery, toInstanceOrder, toInstanceWish } from './instances.dto.js';
import { InstancesService } from './instances.service.js';
import { Outcomes } from './outcomes.js';

const JSON_TYPE = 'application/json; charset=utf-8';

@ApiTags('instances')
@Controller('api/instances')
export class InstancesController {
  constructor(
    private readonly instances: InstancesService,
    private readonly reads: InstanceReads,
    private readonly outcomes: Outcomes,
    private readonly settings: Settings,
  ) {}

  /** Ask for a GPU instance; it is created, started and watched until it is ready. */
  @Post()
  @RequireScope('instances:write')
  @Idempotent()
  @MayWait()
  @ApiCreatedResponse({ type: InstanceAccepted })
  @ApiErrors(400, 413, 415)
  async createInstance(
    @Body() order: CreateInstanceDto,
    @CurrentCaller() caller: Caller,
    @CurrentAnswering() answering: Answering,
    @CurrentPatience() patience: Patience,
  ): Promise<InstanceAccepted> {
    const typicalStartMs = await this.instances.typicalStartMs();
    const toAnswer = (instance: Instance) => toInstanceAccepted(instance, addMs(instance.createdAt, typicalStartMs));
    const wish = toInstanceOrder(order, { region: this.settings.defaultRegion });
    const instance = await this.instances.request(wish, caller, (requested, tx) =>
      answering.keep(toAnswer(requested), tx, patience.answeredWithinMs),
    );
    return toAnswer(await this.outcomes.of(instance, patience));
  }

  /** All managed instances, the newest first. */
  @Get()
  @RequireScope('instances:read')
  @ApiOkResponse({ type: InstanceList })
  @ApiErrors(400)
  async listInstances(
    @Query() query: ListInstancesQuery,
    @CurrentCaller() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const { limit, offset } = query;
    const body = await this.reads.list(toInstanceWish(query), { limit, offset }, caller);
    reply.type(JSON_TYPE);
    return body;
  }

  /** One instance, by its id or by the provider's id of its machine. */
  @Get(':instanceId')
  @RequireScope('instances:read')
  @Conditional()
  @ApiOkResponse({ type: InstanceDetails })
  @ApiErrors(404)
  async getInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { tag, body } = await this.reads.get(instanceId, caller);
    if (answerIsKnown(known, reply, tag)) return undefined;
    reply.type(JSON_TYPE);
    return body;
  }

  /** End the instance in whatever state it is; once nothing bills any more it is gone. */
  @Delete(':instanceId')
  @RequireScope('instances:delete')
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404)
  async deleteInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceActionAccepted> {
    return toInstanceActionAccepted(
      await this.instances.act('delete', instanceId, caller),
      'Instance deletion initiated',
    );
  }

  /** Start a stopped instance; ports and passwords change with every start. */
  @Post(':instanceId/start')
  @RequireScope('instances:write')
  @MayWait()
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async startInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
    @CurrentPatience() patience: Patience,
  ): Promise<InstanceActionAccepted> {
    return this.act('start', instanceId, caller, patience);
  }

  /** Stop a running instance; its GPU is released and a later start may have to move it. */
  @Post(':instanceId/stop')
  @RequireScope('instances:write')
  @MayWait()
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async stopInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
    @CurrentPatience() patience: Patience,
  ): Promise<InstanceActionAccepted> {
    return this.act('stop', instanceId, caller, patience);
  }

  /** Restart a running instance on its machine. */
  @Post(':instanceId/restart')
  @RequireScope('instances:write')
  @MayWait()
  @HttpCode(202)
  @ApiAcceptedResponse({ type: InstanceActionAccepted })
  @ApiErrors(404, 409)
  async restartInstance(
    @Param('instanceId') instanceId: string,
    @CurrentCaller() caller: Caller,
    @CurrentPatience() patience: Patience,
  ): Promise<InstanceActionAccepted> {
    return this.act('restart', instanceId, caller, patience);
  }

  private async act(
    action: UserAction,
    instanceId: string,
    caller: Caller,
    patience: Patience,
  ): Promise<InstanceActionAccepted> {
    const taken = await this.instances.act(action, instanceId, caller);
    const instance = await this.outcomes.of(taken, patience);
    const isKnown = patience.waitMs > 0 && isSettled(instance.phase);
    return toInstanceActionAccepted(
      instance,
      isKnown ? `Instance is ${instance.phase}` : `Instance ${action} initiated`,
    );
  }
}
