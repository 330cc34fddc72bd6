import { Injectable } from '@nestjs/common';
import { InstancesRepository } from './instances.repository.js';

/** What is promised before there is any history of our own. */
const DEFAULT_MS = 180_000;
const SAMPLE = 50;
const GOOD_FOR_MS = 30_000;

/** How long a start usually takes here: the median of the latest ones. */
@Injectable()
export class StartTimes {
  private typical = DEFAULT_MS;
  private readAt = -Infinity;

  constructor(private readonly instances: InstancesRepository) {}

  async typicalMs(): Promise<number> {
    const now = performance.now();
    if (now - this.readAt < GOOD_FOR_MS) return this.typical;
    this.readAt = now;
    const times = (await this.instances.latestStartTimes(SAMPLE)).toSorted((a, b) => a - b);
    this.typical = times[Math.floor(times.length / 2)] ?? DEFAULT_MS;
    return this.typical;
  }
}
