import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { InstanceEventList, ListInstanceEventsQuery, toEventDto } from '../events/events.dto.js';
import { EventsService } from '../events/events.service.js';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { ApiErrors } from '../platform/http/openapi.js';
import { InstanceNotFound } from './instances.errors.js';
import { InstancesRepository } from './instances.repository.js';

@ApiTags('events')
@Controller('api/instances/:instanceId/events')
export class InstanceEventsController {
  constructor(
    private readonly instances: InstancesRepository,
    private readonly events: EventsService,
  ) {}

  /** The story of one instance, also of a deleted one, in its own order. */
  @Get()
  @RequireScope('instances:read')
  @ApiOkResponse({ type: InstanceEventList })
  @ApiErrors(400, 404)
  async listInstanceEvents(
    @Param('instanceId') instanceId: string,
    @Query() { after, limit }: ListInstanceEventsQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<InstanceEventList> {
    const instance = await this.instances.findForTeam(instanceId, caller.teamId);
    if (instance === null) throw new InstanceNotFound();
    const events = await this.events.listOfInstance(instance.id, after, limit + 1);
    return { events: events.slice(0, limit).map(toEventDto), hasMore: events.length > limit };
  }
}
