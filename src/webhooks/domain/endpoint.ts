import type { NotifiedType } from '../../events/event.js';
import type { Breaker } from './breaker.js';

/** `instance`: comes from an instance's webhookUrl, one for each team and URL. */
export type EndpointKind = 'instance' | 'subscription';
export type EndpointState = 'enabled' | 'disabled' | 'deleted';
/** `gone`: answered 410; `failing`: not one success for days. */
export type DisabledReason = 'user' | 'gone' | 'failing';

/** A secret as it lies in the database. */
export interface SealedSecret {
  readonly sealed: string;
  readonly createdAt: string;
  /** Set when it was replaced: it signs beside the newer one until then. */
  readonly validUntil: string | null;
}

/** What its owner wants sent along; the values are shown to nobody. */
export interface SealedHeaders {
  readonly names: readonly string[];
  readonly sealed: string;
}

export interface Endpoint {
  readonly id: string;
  readonly teamId: string;
  readonly kind: EndpointKind;
  readonly url: string;
  /** None means all. */
  readonly eventTypes: readonly NotifiedType[];
  readonly state: EndpointState;
  readonly disabledReason: DisabledReason | null;
  readonly disabledAt: Date | null;
  /** The newest first. */
  readonly secrets: readonly SealedSecret[];
  readonly headers: SealedHeaders | null;
  readonly breaker: Breaker;
  readonly lastSuccessAt: Date | null;
  readonly lastFailureAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const OVERLAP_MS = 24 * 3_600_000;
const MAX_OLD_SECRETS = 2;

/** The new secret first; the one it replaces signs as well for a day, and at most two old ones do. */
export function rotate(secrets: readonly SealedSecret[], sealed: string, now: Date): SealedSecret[] {
  const validUntil = new Date(now.getTime() + OVERLAP_MS).toISOString();
  const old = inUse(secrets, now)
    .map((secret) => ({ ...secret, validUntil: secret.validUntil ?? validUntil }))
    .slice(0, MAX_OLD_SECRETS);
  return [{ sealed, createdAt: now.toISOString(), validUntil: null }, ...old];
}

/** What to sign with now. */
export function inUse(secrets: readonly SealedSecret[], now: Date): readonly SealedSecret[] {
  return secrets.filter(({ validUntil }) => validUntil === null || new Date(validUntil) > now);
}
