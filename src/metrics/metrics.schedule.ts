import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { TrafficCounts } from './traffic-counts.js';

const WRITE_EVERY_MS = 2000;

@Injectable()
export class MetricsSchedule implements OnApplicationShutdown {
  private readonly logger = new Logger(MetricsSchedule.name);

  constructor(private readonly traffic: TrafficCounts) {}

  @Interval(WRITE_EVERY_MS)
  async writeDown(): Promise<void> {
    await this.traffic
      .writeDown()
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'counts could not be written; the next tick writes them'),
      );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.writeDown();
  }
}
