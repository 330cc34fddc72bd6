import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { Settings } from '../config.js';
import { SecretKeyRepository } from './secret-key.repository.js';

const IV_BYTES = 12;
const TAG_BYTES = 16;

interface BoxKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/** A sealed text that no key at hand opens, or that belongs to something else. */
export class CannotOpen extends Error {}

/**
 * Encrypts secrets for the database: AES-256-GCM, bound to what they belong to. With SECRETS_KEY a stolen database is of no
 * use; without it the key is made once and kept in the database, which needs no set-up and still keeps plain secrets out of
 * query logs and of dumps of single tables. What was sealed before SECRETS_KEY was set can still be opened.
 */
@Injectable()
export class SecretBox implements OnApplicationBootstrap {
  private readonly givenKey: BoxKey | null;
  private storedKey: Promise<BoxKey> | null = null;

  constructor(
    { secretsKey }: Settings,
    private readonly keys: SecretKeyRepository,
  ) {
    this.givenKey = secretsKey === null ? null : keyFrom(secretsKey);
  }

  /** Read ahead: who seals inside a transaction must not wait for a second connection. */
  onApplicationBootstrap(): void {
    if (this.givenKey === null) void this.stored().catch(() => undefined);
  }

  async seal(text: string, belongsTo: string): Promise<string> {
    const key = this.givenKey ?? (await this.stored());
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key.bytes, iv).setAAD(Buffer.from(belongsTo, 'utf8'));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return `1.${key.id}.${Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')}`;
  }

  /** @throws CannotOpen */
  async open(text: string, belongsTo: string): Promise<string> {
    const [version, keyId, encoded = ''] = text.split('.');
    const key = await this.find(keyId ?? '');
    if (version !== '1' || key === null)
      throw new CannotOpen('No key at hand opens this secret; was SECRETS_KEY changed?');
    const bytes = Buffer.from(encoded, 'base64url');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, IV_BYTES))
        .setAAD(Buffer.from(belongsTo, 'utf8'))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch {
      throw new CannotOpen('The secret was sealed for something else, or was changed');
    }
  }

  private async find(id: string): Promise<BoxKey | null> {
    if (this.givenKey?.id === id) return this.givenKey;
    const stored = await this.stored();
    return stored.id === id ? stored : null;
  }

  private stored(): Promise<BoxKey> {
    const found = this.storedKey ?? this.keys.findOrMake(randomBytes(32).toString('base64url')).then(keyFrom);
    this.storedKey = found;
    found.catch(() => (this.storedKey = null));
    return found;
  }
}

function keyFrom(secret: string): BoxKey {
  const bytes = Buffer.from(hkdfSync('sha256', secret, 'novita-gpu-instances', 'webhook-secrets', 32));
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 8), bytes };
}
