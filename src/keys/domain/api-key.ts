import { addMs } from '../../platform/clock.js';
import type { Scope } from '../../platform/http/auth/scopes.js';

/** A key as it is kept: what recognises its secret, not the secret. */
export interface ApiKey {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  /** SHA-256 of the whole key. */
  readonly secretHash: Uint8Array;
  readonly lastFour: string;
  readonly scopes: readonly Scope[];
  readonly createdBy: string;
  readonly replaces: string | null;
  /** The first of the keys that took over from each other; its own id for a new one. */
  readonly family: string;
  /** How many instances that it ordered may be there at once, for its whole family; null: as many as it likes. */
  readonly maxInstances: number | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

export interface KeyOrder {
  readonly teamId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: Date | null;
  readonly maxInstances: number | null;
}

/** At its very instant of expiry a key is no longer good. */
export function isUsable(key: ApiKey, now: Date): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}

export function isAdmin(key: ApiKey): boolean {
  return key.scopes.includes('admin');
}

/** The end of a key that another one takes over from: after the overlap, and never later than it was anyway. */
export function endOfOverlap(key: ApiKey, now: Date, overlapMs: number): Date {
  const end = addMs(now, overlapMs);
  return key.expiresAt !== null && key.expiresAt < end ? key.expiresAt : end;
}

/** A key that takes over lives as long as its predecessor was meant to. */
export function freshExpiry({ createdAt, expiresAt }: ApiKey, now: Date): Date | null {
  return expiresAt && addMs(now, expiresAt.getTime() - createdAt.getTime());
}
