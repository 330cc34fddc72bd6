import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequireScope } from '../platform/http/auth/require-scope.js';
import { type Caller, CurrentCaller } from '../platform/http/caller.js';
import { ApiErrors } from '../platform/http/openapi.js';
import { encodeCursor } from './domain/cursor.js';
import { EventStreams } from './event-streams.js';
import { EventList, ListEventsQuery, StreamEventsQuery, toEventDto } from './events.dto.js';
import { EventsService } from './events.service.js';

@ApiTags('events')
@Controller('api/events')
export class EventsController {
  constructor(
    private readonly events: EventsService,
    private readonly streams: EventStreams,
  ) {}

  /** What happened, the oldest first. Reading on from `nextCursor` misses nothing, also of changes that commit out of order. */
  @Get()
  @RequireScope('instances:read')
  @ApiOkResponse({ type: EventList })
  @ApiErrors(400, 410)
  async listEvents(
    @Query() { after, types, limit }: ListEventsQuery,
    @CurrentCaller() caller: Caller,
  ): Promise<EventList> {
    const cursor = after === undefined ? null : await this.events.readCursor(after, 'after');
    const page = await this.events.list({ after: cursor, types: types ?? null, limit }, caller);
    return { events: page.events.map(toEventDto), nextCursor: encodeCursor(page.next), hasMore: page.hasMore };
  }

  /** The same, live, as Server-Sent Events: each has its cursor as `id` and the event as JSON in `data`. */
  @Get('stream')
  @RequireScope('instances:read')
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'Go on after this cursor; it goes before the parameter `after`. Without either: from now on.',
    schema: { type: 'string', maxLength: 64 },
  })
  @ApiOkResponse({
    description: 'Ends only when the client or this replica goes, or the key ends; comment lines keep it open.',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  })
  @ApiErrors(400, 410, 503)
  async streamEvents(
    @Query() { after, types }: StreamEventsQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @CurrentCaller() caller: Caller,
  ): Promise<void> {
    const place = lastEventId === undefined || lastEventId === '' ? after : lastEventId;
    const field = place === after ? 'after' : 'Last-Event-ID';
    const cursor = place === undefined ? null : await this.events.readCursor(place, field);
    const { keyId, isStillWelcome } = request;
    const permission = isStillWelcome && { keyId: keyId ?? null, isStillWelcome };
    await this.streams.open(reply.raw, { after: cursor, types: types ?? null }, caller, permission);
    reply.hijack();
    request.heldSince = performance.now();
  }
}
