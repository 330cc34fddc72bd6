import { Module, type OnApplicationShutdown } from '@nestjs/common';
import { hostname, networkInterfaces } from 'node:os';
import { Settings } from '../platform/config.js';
import { AddressGuard } from './address-guard.js';
import { DeliveriesController } from './deliveries.controller.js';
import { DeliveriesRepository } from './deliveries.repository.js';
import { DeliveriesService } from './deliveries.service.js';
import { DeliveryEngine } from './delivery-engine.js';
import { DeliveryRepository } from './delivery.repository.js';
import { Dialler, TcpDialler } from './dialler.js';
import { targetPolicy } from './domain/target-policy.js';
import { EndpointsRepository } from './endpoints.repository.js';
import { GuardedHttp } from './guarded-http.js';
import { LogRetention } from './log-retention.js';
import { LogRetentionRepository } from './log-retention.repository.js';
import { NameResolver, SystemNameResolver } from './name-resolver.js';
import { Outbox } from './outbox.js';
import { OutboxRepository } from './outbox.repository.js';
import { WebhookSender } from './webhook-sender.js';
import { WebhooksController } from './webhooks.controller.js';
import { WebhooksSchedule } from './webhooks.schedule.js';
import { WebhooksService } from './webhooks.service.js';

function policyOf(settings: Settings) {
  // The sandbox's machines live at its own address; the trial could not probe them otherwise.
  const sandbox = settings.upstreamIsSandbox ? [new URL(settings.novitaApiBaseUrl).host] : [];
  return targetPolicy({
    allowedHosts: [...settings.webhookAllowedHosts, ...sandbox].join(','),
    allowedCidrs: settings.webhookAllowedCidrs.join(','),
    ...(settings.webhookDeniedPorts !== null && { deniedPorts: settings.webhookDeniedPorts }),
    ownListeners: [{ address: settings.host, port: settings.port }],
    ownAddresses: Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).map(({ address }) => address),
    ),
    ownNames: [hostname()],
  });
}

@Module({
  controllers: [DeliveriesController, WebhooksController],
  providers: [
    { provide: NameResolver, useClass: SystemNameResolver },
    { provide: Dialler, useClass: TcpDialler },
    {
      provide: AddressGuard,
      inject: [Settings, NameResolver],
      useFactory: (settings: Settings, resolver: NameResolver) => new AddressGuard(policyOf(settings), resolver),
    },
    {
      provide: GuardedHttp,
      inject: [AddressGuard, Dialler],
      useFactory: (guard: AddressGuard, dialler: Dialler) => new GuardedHttp(guard, dialler),
    },
    DeliveriesRepository,
    DeliveriesService,
    DeliveryEngine,
    DeliveryRepository,
    EndpointsRepository,
    LogRetention,
    LogRetentionRepository,
    Outbox,
    OutboxRepository,
    WebhookSender,
    WebhooksSchedule,
    WebhooksService,
  ],
  exports: [AddressGuard, GuardedHttp, Outbox],
})
export class WebhooksModule implements OnApplicationShutdown {
  constructor(private readonly http: GuardedHttp) {}

  async onApplicationShutdown(): Promise<void> {
    await this.http.close();
  }
}
