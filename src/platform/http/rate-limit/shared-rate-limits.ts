import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../../config.js';
import type { Soon } from '../at-once.js';
import { LeasedQuotaStorage } from './leased-quota-storage.js';
import { QuotaRepository } from './quota.repository.js';
import { type RateLimitRecord, RateLimitStorage } from './rate-limit-storage.js';
import { RedisQuota } from './redis-quota.js';
import { StorageWithReserve } from './storage-with-reserve.js';

/** What all replicas count in: the database, or Redis where there is one, and then the database while Redis is away. */
@Injectable()
export class SharedRateLimits extends RateLimitStorage implements OnModuleInit, OnApplicationShutdown {
  private readonly redis: RedisQuota | null;
  private readonly storage: RateLimitStorage;

  constructor(quotas: QuotaRepository, { redisUrl }: Settings) {
    super();
    const inDatabase = new LeasedQuotaStorage((...wish) => quotas.lease(...wish));
    const redis = redisUrl === null ? null : new RedisQuota(redisUrl);
    this.redis = redis;
    this.storage =
      redis === null
        ? inDatabase
        : new StorageWithReserve(new LeasedQuotaStorage((...wish) => redis.lease(...wish)), inDatabase);
  }

  override increment(...hit: Parameters<RateLimitStorage['increment']>): Soon<RateLimitRecord> {
    return this.storage.increment(...hit);
  }

  async onModuleInit(): Promise<void> {
    await this.redis?.untilReady();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.redis?.close();
  }
}
