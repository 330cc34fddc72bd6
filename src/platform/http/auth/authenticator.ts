import type { Soon } from '../at-once.js';
import type { Caller } from '../caller.js';
import type { Scope } from './scopes.js';

export interface Identity {
  readonly caller: Caller;
  /** Counted for rate limits; null when the request came without a key. */
  readonly keyId: string | null;
  readonly scopes: readonly Scope[];
}

/** Knows the keys. Its answers may be as old as a few seconds, on every replica; those in memory are given at once. */
export abstract class Authenticator {
  /** Whether requests without a key are served: nobody has made one yet. Never again true once it was false. */
  abstract isOpen(): Soon<boolean>;
  /** Null for a text that is no key, and for a key that is unknown, revoked or expired: the difference is not told. */
  abstract identify(key: string): Soon<Identity | null>;
}
