import { Module } from '@nestjs/common';
import { InstancesModule } from '../instances/instances.module.js';
import { PricingModule } from '../pricing/pricing.module.js';
import { CountsRepository } from './counts.repository.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsSchedule } from './metrics.schedule.js';
import { MetricsService } from './metrics.service.js';
import { TrafficCounts } from './traffic-counts.js';

@Module({
  imports: [InstancesModule, PricingModule],
  controllers: [MetricsController],
  providers: [CountsRepository, MetricsSchedule, MetricsService, TrafficCounts],
  exports: [TrafficCounts],
})
export class MetricsModule {}
