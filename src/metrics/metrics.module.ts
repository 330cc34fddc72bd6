import { Module } from '@nestjs/common';
import { InstancesModule } from '../instances/instances.module.js';
import { NovitaModule } from '../novita/novita.module.js';
import { PricingModule } from '../pricing/pricing.module.js';
import { CountsRepository } from './counts.repository.js';
import { FiguresRepository } from './figures.repository.js';
import { HttpMetrics } from './http-metrics.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsSchedule } from './metrics.schedule.js';
import { MetricsService } from './metrics.service.js';
import { PrometheusController } from './prometheus.controller.js';
import { SharedFigures } from './shared-figures.js';
import { TrafficCounts } from './traffic-counts.js';
import { WorkMetrics } from './work-metrics.js';

@Module({
  imports: [InstancesModule, NovitaModule, PricingModule],
  controllers: [MetricsController, PrometheusController],
  providers: [
    CountsRepository,
    FiguresRepository,
    HttpMetrics,
    MetricsSchedule,
    MetricsService,
    SharedFigures,
    TrafficCounts,
    WorkMetrics,
  ],
  exports: [HttpMetrics, TrafficCounts],
})
export class MetricsModule {}
