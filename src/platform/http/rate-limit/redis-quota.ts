import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { QuotaLease } from './quota-lease.js';

/**
 * After so long a silence Redis counts as away. A slow one does not: while some replicas counted elsewhere and others did not,
 * more than the limit would be let in.
 */
const SILENCE_MS = 3_000;
const CONNECT_TIMEOUT_MS = 2_000;
const KEY_PREFIX = 'novita-gpu-instances';

/** One counter for each limit and caller in Redis, which forgets it with the end of its window. */
export class RedisQuota {
  private readonly logger = new Logger('Redis');
  private readonly client: Redis;
  private readonly counters = new Map<string, RateLimiterRedis>();
  private isAway = false;

  constructor(url: string) {
    this.client = new Redis(url, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS,
      // What cannot be asked now is not asked later: somebody else counts meanwhile.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => Math.min(attempt * 100, CONNECT_TIMEOUT_MS),
    });
    this.client.on('ready', () => this.note(false));
    this.client.on('close', () => this.note(true));
    // Every try to connect tells its failure here; that it is away is said once.
    this.client.on('error', () => this.note(true));
  }

  async lease(name: string, key: string, limit: number, windowMs: number, wanted: number): Promise<QuotaLease> {
    const { consumedPoints, msBeforeNext } = await this.counterOf(name, windowMs).penalty(key, wanted);
    // What others took before us is never given back, so that no two leases hold the same hit.
    const before = consumedPoints - wanted;
    const granted = Math.max(0, Math.min(wanted, limit - before));
    return { granted, used: Math.min(consumedPoints, limit), endsInMs: msBeforeNext };
  }

  /** Gives a Redis that is there the time to say so. */
  async untilReady(): Promise<void> {
    if (this.client.status === 'ready') return;
    const patience = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    await once(this.client, 'ready', { signal: patience }).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.client.removeAllListeners('close');
    this.client.disconnect();
  }

  private counterOf(name: string, windowMs: number): RateLimiterRedis {
    const known = this.counters.get(name);
    if (known !== undefined) return known;
    const made = new RateLimiterRedis({
      storeClient: this.client,
      keyPrefix: `${KEY_PREFIX}:${name}`,
      points: Number.MAX_SAFE_INTEGER,
      duration: windowMs / 1000,
      rejectIfRedisNotReady: true,
    });
    this.counters.set(name, made);
    return made;
  }

  private note(isAway: boolean): void {
    if (isAway === this.isAway) return;
    this.isAway = isAway;
    if (isAway) this.logger.warn('Redis is away; rate limits are counted in the database meanwhile');
    else this.logger.log('Redis is back');
  }
}
