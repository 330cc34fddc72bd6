import type { Type } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import type { NewEvent, NotifiedType } from '../../src/events/event.js';
import { EventsModule } from '../../src/events/events.module.js';
import { EventsService } from '../../src/events/events.service.js';
import { Clock, SystemClock } from '../../src/platform/clock.js';
import { loadSettings } from '../../src/platform/config.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { HttpModule } from '../../src/platform/http/http.module.js';
import { PlatformModule } from '../../src/platform/platform.module.js';
import { Random } from '../../src/platform/random.js';
import { DeliveryEngine } from '../../src/webhooks/delivery-engine.js';
import { webhookBody } from '../../src/webhooks/domain/payload.js';
import { Outbox } from '../../src/webhooks/outbox.js';
import { WebhooksModule } from '../../src/webhooks/webhooks.module.js';

export interface LogReplicaOptions {
  readonly databaseUrl: string;
  readonly clock?: Clock;
  readonly env?: Record<string, string>;
  /** False: it writes, and leaves the sending to others. */
  readonly sends?: boolean;
}

export interface WrittenEvent {
  readonly id: string;
  readonly instanceId: string;
  readonly sequence: number;
  readonly body: string;
}

export const TEAM = 'default';
const AT_REST = { wake: () => undefined, renew: async () => undefined };

/** A replica of the log and its webhooks alone, in this process: with its own database connections, and any clock. */
export class LogReplica {
  private readonly sequences = new Map<string, number>();

  private constructor(
    private readonly module: TestingModule,
    private readonly clock: Clock,
  ) {}

  static async start({
    databaseUrl,
    clock = new SystemClock(),
    env = {},
    sends = true,
  }: LogReplicaOptions): Promise<LogReplica> {
    const settings = loadSettings({ DATABASE_URL: databaseUrl, NOVITA_SANDBOX: 'true', ...env });
    const imports = [
      PlatformModule.forRoot(settings),
      HttpModule,
      ScheduleModule.forRoot(),
      EventsModule,
      WebhooksModule,
    ];
    const builder = Test.createTestingModule({ imports }).overrideProvider(Clock).useValue(clock);
    const module = await (sends ? builder : builder.overrideProvider(DeliveryEngine).useValue(AT_REST)).compile();
    module.useLogger(false);
    await module.init();
    return new LogReplica(module, clock);
  }

  get<T>(type: Type<T> | (abstract new (...args: never[]) => T)): T {
    return this.module.get<T>(type as Type<T>);
  }

  /** Changes nothing but the log: the next event of an instance, with its deliveries, in one transaction. */
  async write(
    instanceId: string,
    more: { type?: NotifiedType; webhookUrl?: string; teamId?: string; data?: Record<string, unknown> } = {},
  ): Promise<WrittenEvent> {
    const sequence = (this.sequences.get(instanceId) ?? 0) + 1;
    this.sequences.set(instanceId, sequence);
    const event = this.toEvent(instanceId, sequence, more);
    await this.get(UnitOfWork).run(async (tx) => {
      await this.get(EventsService).record(event, tx);
      await this.get(Outbox).add(event, more.webhookUrl ?? null, tx);
    });
    return { id: event.id, instanceId, sequence, body: event.body ?? '' };
  }

  async stop(): Promise<void> {
    await this.module.close();
  }

  private toEvent(
    instanceId: string,
    sequence: number,
    { type = 'instance.started', teamId = TEAM, data = {} }: Parameters<LogReplica['write']>[1] & object,
  ): NewEvent {
    const occurredAt = this.clock.now();
    const instance = { id: instanceId, name: `Größe ${instanceId}`, status: 'running', connectionDetails: null };
    return {
      id: `evt_${this.get(Random).ulid(occurredAt)}`,
      instanceId,
      teamId,
      sequence,
      type,
      actor: 'service',
      fromPhase: 'starting',
      toPhase: 'running',
      reasonCode: null,
      data,
      body: webhookBody({ type, occurredAt, instance }),
      occurredAt,
    };
  }
}
