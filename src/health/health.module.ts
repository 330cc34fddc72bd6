import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { MigrationModule } from '../migration/migration.module.js';
import { NovitaModule } from '../novita/novita.module.js';
import { HealthController } from './health.controller.js';
import { HealthIndicators } from './health.indicators.js';
import { HealthService } from './health.service.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false }), NovitaModule, MigrationModule],
  controllers: [HealthController],
  providers: [HealthIndicators, HealthService],
})
export class HealthModule {}
