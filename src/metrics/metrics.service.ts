import { Injectable } from '@nestjs/common';
import { totalmem } from 'node:os';
import { type InstanceStatus, statusOf } from '../instances/domain/instance.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import type { MetricsReport } from './metrics.dto.js';
import { type Traffic, TrafficCounts } from './traffic-counts.js';

const MIB = 1024 * 1024;

@Injectable()
export class MetricsService {
  constructor(
    private readonly traffic: TrafficCounts,
    private readonly instances: InstancesRepository,
    private readonly jobs: Jobs,
  ) {}

  async report(): Promise<MetricsReport> {
    const [traffic, instances, jobs] = await Promise.all([
      this.traffic.sumOfAll(),
      this.countInstances(),
      this.jobs.counts(),
    ]);
    return { requests: toRequests(traffic), instances, jobs, cache: toCache(traffic), system: system() };
  }

  private async countInstances(): Promise<MetricsReport['instances']> {
    const counts: Record<InstanceStatus | 'total', number> = {
      total: 0,
      creating: 0,
      starting: 0,
      running: 0,
      failed: 0,
      stopped: 0,
      exited: 0,
    };
    for (const [phase, count] of await this.instances.countByPhase()) {
      counts[statusOf(phase)] += count;
      counts.total += count;
    }
    return counts;
  }
}

function toRequests({ requests, failed, durationMs }: Traffic): MetricsReport['requests'] {
  const averageResponseTime = requests === 0 ? 0 : Math.round((durationMs / requests) * 100) / 100;
  return { total: requests, successful: requests - failed, failed, averageResponseTime };
}

function toCache({ cacheHits, cacheMisses }: Traffic): MetricsReport['cache'] {
  const reads = cacheHits + cacheMisses;
  return {
    hits: cacheHits,
    misses: cacheMisses,
    hitRate: reads === 0 ? 0 : Math.round((cacheHits / reads) * 10_000) / 10_000,
  };
}

function system(): MetricsReport['system'] {
  // Zero and absurdly large values mean that no limit is set for the process.
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const used = process.memoryUsage.rss();
  return {
    uptime: Math.floor(process.uptime()),
    memoryUsage: {
      used: Math.round(used / MIB),
      total: Math.round(total / MIB),
      percentage: Math.round((used / total) * 10_000) / 100,
    },
  };
}
