import { Injectable } from '@nestjs/common';
import type { FinishedRequest } from '../platform/http/front-door.js';
import { Settings } from '../platform/config.js';
import { Catalogue } from '../pricing/catalogue.js';
import { CountsRepository } from './counts.repository.js';

const FAILED_FROM = 400;

export interface Traffic {
  readonly requests: number;
  readonly failed: number;
  readonly durationMs: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
}

/** What this replica counts for itself, written down now and then so that all replicas can be added up. */
@Injectable()
export class TrafficCounts {
  private requests = 0;
  private failed = 0;
  private durationMs = 0;

  constructor(
    private readonly counts: CountsRepository,
    private readonly catalogue: Catalogue,
    private readonly settings: Settings,
  ) {}

  note({ status, servedMs }: FinishedRequest): void {
    this.requests += 1;
    this.durationMs += servedMs;
    if (status >= FAILED_FROM) this.failed += 1;
  }

  async writeDown(): Promise<void> {
    await this.counts.write(this.settings.replicaId, new Map(Object.entries(this.own())));
  }

  async sumOfAll(): Promise<Traffic> {
    const others = await this.counts.sumOfOthers(this.settings.replicaId);
    const own = this.own();
    const sum = (name: keyof Traffic) => own[name] + (others.get(name) ?? 0);
    return {
      requests: sum('requests'),
      failed: sum('failed'),
      durationMs: sum('durationMs'),
      cacheHits: sum('cacheHits'),
      cacheMisses: sum('cacheMisses'),
    };
  }

  private own(): Traffic {
    const { hits, misses } = this.catalogue.cacheCounts;
    return {
      requests: this.requests,
      failed: this.failed,
      durationMs: this.durationMs,
      cacheHits: hits,
      cacheMisses: misses,
    };
  }
}
