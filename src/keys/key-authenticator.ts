import { Injectable, Logger } from '@nestjs/common';
import { hash as hashWith, timingSafeEqual } from 'node:crypto';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { judgeApiKey } from '../platform/http/auth/api-key.js';
import { once, type Soon } from '../platform/http/at-once.js';
import { Authenticator, type Identity } from '../platform/http/auth/authenticator.js';
import { Batcher } from '../platform/batcher.js';
import { TtlCache } from '../platform/ttl-cache.js';
import { type ApiKey, isUsable } from './domain/api-key.js';
import { KeysRepository } from './keys.repository.js';

/** How long a revoked key may still be taken, on any replica. */
const GOOD_FOR_MS = 2_000;
const MAX_CACHED = 10_000;
const MAX_LOOK_UPS = 500;
const NOTE_USE_EVERY_MS = 60_000;
const NO_HASH = Buffer.alloc(32);

interface Census {
  readonly any: boolean;
  readonly admin: boolean;
}

@Injectable()
export class KeyAuthenticator extends Authenticator {
  private readonly logger = new Logger(KeyAuthenticator.name);
  private readonly known = new TtlCache<{ key: ApiKey | null }>(MAX_CACHED, GOOD_FOR_MS);
  private readonly censuses = new TtlCache<Census>(1, GOOD_FOR_MS);
  /** One statement for all who wait: whoever invents ids keeps one connection busy at most. */
  private readonly lookUps = new Batcher<string, ApiKey | null>((ids) => this.keys.findAll(ids), MAX_LOOK_UPS);
  private readonly bootstrapHash: Buffer | null;
  private hasKeys: boolean;

  constructor(
    private readonly keys: KeysRepository,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    super();
    const { bootstrapAdminKey } = settings;
    this.bootstrapHash = bootstrapAdminKey === null ? null : hashOf(bootstrapAdminKey);
    this.hasKeys = bootstrapAdminKey !== null;
  }

  override isOpen(): Soon<boolean> {
    // Keys are never removed: once there is one, nobody need look again.
    if (this.hasKeys) return false;
    return once(this.census(), ({ any }) => {
      this.hasKeys ||= any;
      return !this.hasKeys;
    });
  }

  override identify(text: string): Soon<Identity | null> {
    const hash = hashOf(text);
    if (this.bootstrapHash !== null && timingSafeEqual(hash, this.bootstrapHash)) return this.bootstrap();
    const verdict = judgeApiKey(text, this.settings.apiKeyEnvironment);
    if (verdict.kind === 'malformed') return null;
    return once(this.find(verdict.keyId), ({ key }) => this.holderOf(key, hash));
  }

  private find(keyId: string): Soon<{ key: ApiKey | null }> {
    return this.known.peek(keyId) ?? this.known.get(keyId, async () => ({ key: await this.lookUps.add(keyId) }));
  }

  private holderOf(key: ApiKey | null, hash: Buffer): Identity | null {
    // A key that does not exist costs the same work as one with another secret.
    const isRight = timingSafeEqual(hash, key?.secretHash ?? NO_HASH);
    const now = this.clock.now();
    if (key === null || !isRight || !isUsable(key, now)) return null;
    this.noteUse(key, now);
    const { id, teamId, scopes, family, maxInstances } = key;
    const cap = maxInstances === null ? null : { family, maxInstances };
    return { caller: { teamId, actor: id, ...(cap && { cap }) }, keyId: id, scopes };
  }

  /** Good for making the first admin key, and of no use from then on. */
  private async bootstrap(): Promise<Identity | null> {
    if ((await this.census()).admin) return null;
    return { caller: { teamId: 'default', actor: 'bootstrap' }, keyId: 'bootstrap', scopes: ['admin'] };
  }

  private census(): Soon<Census> {
    return this.censuses.peek('census') ?? this.censuses.get('census', () => this.keys.census(this.clock.now()));
  }

  private noteUse(key: ApiKey, now: Date): void {
    const since = addMs(now, -NOTE_USE_EVERY_MS);
    if (key.lastUsedAt !== null && key.lastUsedAt >= since) return;
    Object.assign(key, { lastUsedAt: now });
    this.keys
      .noteUse(key.id, now, since)
      .catch((error: unknown) => this.logger.debug({ err: error }, 'the use of a key could not be noted'));
  }
}

export function hashOf(text: string): Buffer {
  return hashWith('sha256', text, 'buffer');
}
