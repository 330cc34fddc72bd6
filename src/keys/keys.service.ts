import { Injectable } from '@nestjs/common';
import { InvalidRequest } from '../platform/app-error.js';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { type Tx, UnitOfWork } from '../platform/database/unit-of-work.js';
import { concerning } from '../platform/http/audit/audit-trail.js';
import { formatApiKey, newSecret } from '../platform/http/auth/api-key.js';
import type { Page } from '../platform/http/pagination.js';
import { Random } from '../platform/random.js';
import { type ApiKey, endOfOverlap, freshExpiry, isAdmin, isUsable, type KeyOrder } from './domain/api-key.js';
import { hashOf } from './key-authenticator.js';
import { KeyNotFound, KeyNotUsable, LastAdminKey } from './keys.errors.js';
import { KeysRepository } from './keys.repository.js';

export interface NewKey {
  readonly key: ApiKey;
  /** The key itself, which nobody can be shown again. */
  readonly text: string;
}

type Alongside = (made: NewKey, tx: Tx) => Promise<void>;

const LAST_SHOWN = 4;

@Injectable()
export class KeysService {
  constructor(
    private readonly keys: KeysRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {}

  async create(order: KeyOrder, createdBy: string, alongside?: Alongside): Promise<NewKey> {
    if (order.expiresAt !== null && order.expiresAt <= this.clock.now())
      throw new InvalidRequest('expiresAt', 'must be a time to come');
    const made = this.make(order, createdBy);
    await this.unitOfWork.run(async (tx) => {
      concerning(made.key.id, { after: made.key });
      await this.keys.insert(made.key, tx);
      await alongside?.(made, tx);
    });
    return made;
  }

  /** A new key for the same team and scopes; the old one is good until the overlap ends. @throws KeyNotUsable */
  async rotate(id: string, overlapMs: number, createdBy: string, alongside?: Alongside): Promise<NewKey> {
    return this.unitOfWork.run(async (tx) => {
      await this.keys.lockAdminKeys(tx);
      const old = await this.get(id, tx);
      const now = this.clock.now();
      if (!isUsable(old, now)) throw new KeyNotUsable();
      const made = this.make({ ...old, expiresAt: freshExpiry(old, now) }, createdBy, old);
      await this.keys.insert(made.key, tx);
      const expiresAt = endOfOverlap(old, now, overlapMs);
      await this.keys.expire(old.id, expiresAt, tx);
      concerning(old.id, { before: old, after: { ...old, expiresAt } });
      await alongside?.(made, tx);
      return made;
    });
  }

  /** Effective within seconds on every replica. Revoked twice is revoked. @throws KeyNotFound, LastAdminKey */
  async revoke(id: string): Promise<ApiKey> {
    return this.unitOfWork.run(async (tx) => {
      await this.keys.lockAdminKeys(tx);
      const key = await this.get(id, tx);
      const now = this.clock.now();
      if (isAdmin(key) && isUsable(key, now) && (await this.keys.countOtherAdminKeys(id, now, tx)) === 0)
        throw new LastAdminKey();
      await this.keys.revoke(id, now, tx);
      const revoked = await this.get(id, tx);
      concerning(id, { before: key, after: revoked });
      return revoked;
    });
  }

  async get(id: string, tx?: Tx): Promise<ApiKey> {
    const key = await this.keys.find(id, tx);
    if (key === null) throw new KeyNotFound();
    return key;
  }

  list(teamId: string | undefined, page: Page): Promise<{ keys: ApiKey[]; total: number }> {
    return this.keys.list(teamId, page);
  }

  private make(order: KeyOrder, createdBy: string, old?: ApiKey): NewKey {
    const id = `key${this.random.token(16)}`;
    const text = formatApiKey(this.settings.apiKeyEnvironment, id, newSecret());
    const { teamId, name, scopes, expiresAt, maxInstances } = order;
    const key = {
      id,
      teamId,
      name,
      scopes,
      expiresAt,
      maxInstances,
      createdBy,
      replaces: old?.id ?? null,
      family: old?.family ?? id,
      secretHash: hashOf(text),
      lastFour: text.slice(-LAST_SHOWN),
      createdAt: this.clock.now(),
      revokedAt: null,
      lastUsedAt: null,
    };
    return { key, text };
  }
}
