import { Injectable, Logger } from '@nestjs/common';
import { createHash, timingSafeEqual } from 'node:crypto';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { judgeApiKey } from '../platform/http/auth/api-key.js';
import { Authenticator, type Identity } from '../platform/http/auth/authenticator.js';
import { TtlCache } from '../platform/ttl-cache.js';
import { type ApiKey, isUsable } from './domain/api-key.js';
import { KeysRepository } from './keys.repository.js';

/** How long a revoked key may still be taken, on any replica. */
const GOOD_FOR_MS = 2_000;
const MAX_CACHED = 10_000;
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

  override async isOpen(): Promise<boolean> {
    // Keys are never removed: once there is one, nobody need look again.
    this.hasKeys ||= (await this.census()).any;
    return !this.hasKeys;
  }

  override async identify(text: string): Promise<Identity | null> {
    const hash = hashOf(text);
    if (this.bootstrapHash !== null && timingSafeEqual(hash, this.bootstrapHash)) return this.bootstrap();
    const verdict = judgeApiKey(text, this.settings.apiKeyEnvironment);
    if (verdict.kind === 'malformed') return null;
    const { key } = await this.known.get(verdict.keyId, async () => ({ key: await this.keys.find(verdict.keyId) }));
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

  private census(): Promise<Census> {
    return this.censuses.get('census', () => this.keys.census(this.clock.now()));
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
  return createHash('sha256').update(text).digest();
}
