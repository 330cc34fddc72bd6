import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Clock, SystemClock } from './clock.js';
import { Settings } from './config.js';
import { PrismaService } from './database/prisma.service.js';
import { UnitOfWork } from './database/unit-of-work.js';
import { LeaseHandOver } from './database/lease-hand-over.js';
import { Leases } from './database/leases.js';
import { Notifications } from './database/notifications.js';
import { Draining } from './draining.js';
import { Random, SystemRandom } from './random.js';
import { SecretBox } from './secrets/secret-box.js';
import { SecretKeyRepository } from './secrets/secret-key.repository.js';
import { MetricsRegistry } from './telemetry/metrics-registry.js';

/** Time, chance, settings and the database: what every module may ask for by its type. */
@Global()
@Module({})
export class PlatformModule {
  static forRoot(settings: Settings): DynamicModule {
    return {
      module: PlatformModule,
      imports: [ConfigModule.forRoot({ ignoreEnvFile: true, load: [() => ({ settings })] })],
      providers: [
        {
          provide: Settings,
          inject: [ConfigService],
          useFactory: (config: ConfigService) => config.getOrThrow<Settings>('settings'),
        },
        { provide: Clock, useClass: SystemClock },
        { provide: Random, useClass: SystemRandom },
        PrismaService,
        UnitOfWork,
        Leases,
        Notifications,
        Draining,
        LeaseHandOver,
        MetricsRegistry,
        SecretBox,
        SecretKeyRepository,
      ],
      exports: [
        Settings,
        Clock,
        Random,
        PrismaService,
        UnitOfWork,
        Leases,
        Notifications,
        Draining,
        MetricsRegistry,
        SecretBox,
      ],
    };
  }
}
