import { Module } from '@nestjs/common';
import { InstancesModule } from '../instances/instances.module.js';
import { NovitaModule } from '../novita/novita.module.js';
import { AttemptsRepository } from './attempts.repository.js';
import { ExecutionsRepository } from './executions.repository.js';
import { ListingTimes } from './listing-times.repository.js';
import { MachineMover } from './machine-mover.js';
import { MigrationController } from './migration.controller.js';
import { MigrationExecutor } from './migration-executor.js';
import { MigrationForecast } from './migration-forecast.js';
import { MigrationRunner } from './migration-runner.js';
import { MigrationSchedule } from './migration.schedule.js';
import { MigrationService } from './migration.service.js';

@Module({
  imports: [NovitaModule, InstancesModule],
  controllers: [MigrationController],
  providers: [
    AttemptsRepository,
    ExecutionsRepository,
    ListingTimes,
    MachineMover,
    MigrationExecutor,
    MigrationForecast,
    MigrationRunner,
    MigrationSchedule,
    MigrationService,
  ],
  exports: [MigrationService],
})
export class MigrationModule {}
