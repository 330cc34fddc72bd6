import { Module } from '@nestjs/common';
import { EventStreams } from './event-streams.js';
import { EventTail } from './event-tail.js';
import { EventsController } from './events.controller.js';
import { EventsRepository } from './events.repository.js';
import { EventsService } from './events.service.js';

@Module({
  controllers: [EventsController],
  providers: [EventStreams, EventTail, EventsRepository, EventsService],
  exports: [EventsService],
})
export class EventsModule {}
