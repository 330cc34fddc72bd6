import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { ConnectionVault } from './connection-vault.js';
import { InstanceEventsController } from './instance-events.controller.js';
import { InstanceRecorder } from './instance-recorder.js';
import { InstanceMemory } from './instance-memory.js';
import { InstanceReads } from './instance-reads.js';
import { InstanceViewsRepository } from './instance-views.repository.js';
import { InstancesController } from './instances.controller.js';
import { InstancesRepository } from './instances.repository.js';
import { InstancesService } from './instances.service.js';
import { OrderCaps } from './order-caps.js';
import { Outcomes } from './outcomes.js';
import { PlacementsRepository } from './placements.repository.js';
import { StartTimes } from './start-times.js';

@Module({
  imports: [EventsModule, WebhooksModule],
  controllers: [InstanceEventsController, InstancesController],
  providers: [
    ConnectionVault,
    InstanceMemory,
    InstanceReads,
    InstanceRecorder,
    InstancesRepository,
    InstancesService,
    InstanceViewsRepository,
    OrderCaps,
    Outcomes,
    PlacementsRepository,
    StartTimes,
  ],
  exports: [InstanceRecorder, InstancesRepository, InstancesService, PlacementsRepository],
})
export class InstancesModule {}
