import { type DynamicModule, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { HealthModule } from './health/health.module.js';
import { InstancesModule } from './instances/instances.module.js';
import { KeysModule } from './keys/keys.module.js';
import { LifecycleModule } from './lifecycle/lifecycle.module.js';
import { MigrationModule } from './migration/migration.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import type { Settings } from './platform/config.js';
import { HttpModule } from './platform/http/http.module.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import type { Logging } from './platform/logging/logging.js';
import { LoggingModule } from './platform/logging/logging.module.js';
import { PlatformModule } from './platform/platform.module.js';

@Module({})
export class AppModule {
  static with(settings: Settings, logging: Logging): DynamicModule {
    return {
      module: AppModule,
      imports: [
        LoggingModule.forRoot(logging),
        PlatformModule.forRoot(settings),
        JobsModule,
        HttpModule,
        ScheduleModule.forRoot(),
        KeysModule,
        InstancesModule,
        LifecycleModule,
        MigrationModule,
        MetricsModule,
        HealthModule,
      ],
    };
  }
}
