import type { FastifyRequest } from 'fastify';
import { once, type Soon } from '../at-once.js';
import { ANONYMOUS } from '../caller.js';
import { keyIdIn } from './api-key.js';
import { FixedWindowStorage } from '../rate-limit/fixed-window-storage.js';
import { AuthenticationFailed, ScopeMissing, TooManyFailures } from './auth.errors.js';
import type { Authenticator, Identity } from './authenticator.js';
import { type Credentials, credentialsIn } from './credentials.js';
import { NotForBrowsers, type OpenTo, refusalWhileOpen } from './open-door.js';
import { placeOf } from './require-scope.js';
import { covers, type Scope } from './scopes.js';

const NOBODY: Identity = { caller: ANONYMOUS, keyId: null, scopes: [] };
const ANYBODY: Identity = { caller: ANONYMOUS, keyId: null, scopes: ['admin'] };
const FAILURES_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

export interface GatekeeperSettings {
  /** Null: the application has no keys at all, and everybody may do everything. */
  readonly authenticator: Authenticator | null;
  readonly countsFailures: boolean;
  readonly openTo: OpenTo;
}

/** Says who a request comes from, and whether that is enough for what it asks. */
export class Gatekeeper {
  private readonly failures = new FixedWindowStorage();

  constructor(private readonly settings: GatekeeperSettings) {}

  /**
   * Where a key is needed, its holder; elsewhere nobody in particular.
   * @param address whom failures are counted for, besides the key that was tried.
   * @throws AuthenticationFailed, TooManyFailures or NotForBrowsers
   */
  identify(request: FastifyRequest, address: string): Soon<Identity> {
    const { authenticator, openTo } = this.settings;
    if (authenticator === null) return ANYBODY;
    const { route, scope } = placeOf(request);
    const isNeeded = scope !== null;
    if (!isNeeded && route !== null) return NOBODY;
    const credentials = credentialsIn(request.raw.rawHeaders);
    // Unmatched requests are counted for their key when they show one.
    if (!isNeeded && credentials.kind !== 'key') return NOBODY;
    return once(authenticator.isOpen(), (isOpen) => {
      if (isOpen) return isNeeded ? anybodyBut(refusalWhileOpen(request.headers, openTo)) : NOBODY;
      return once(holderOf(credentials, authenticator), (holder) => {
        if (holder !== null) return holder;
        if (!isNeeded) return NOBODY;
        this.countFailures(credentials, address);
        throw new AuthenticationFailed();
      });
    });
  }

  /** Would a request that was let in be let in again? For answers that last; nothing is counted. */
  async wouldAdmit(request: FastifyRequest): Promise<boolean> {
    const { authenticator } = this.settings;
    const required = placeOf(request).scope;
    if (authenticator === null || required === null || (await authenticator.isOpen())) return true;
    const holder = await holderOf(credentialsIn(request.raw.rawHeaders), authenticator);
    return holder !== null && covers(holder.scopes, required);
  }

  /** @throws ScopeMissing */
  permit(identity: Identity, required: Scope | null): void {
    if (required !== null && !covers(identity.scopes, required)) throw new ScopeMissing(required);
  }

  private countFailures(credentials: Credentials, address: string): void {
    if (credentials.kind !== 'none') this.countFailure(address);
    if (credentials.kind === 'key') this.countFailure(keyIdIn(credentials.key));
  }

  /** Whoever shows the right key is never counted: trying at a key from many addresses does not lock its owner out. */
  private countFailure(whose: string | null): void {
    if (!this.settings.countsFailures || whose === null) return;
    const record = this.failures.increment(whose, MINUTE_MS, FAILURES_PER_MINUTE, 0, 'authentication');
    if (record.isBlocked) throw new TooManyFailures(Math.max(1, Math.ceil(record.timeToBlockExpire)));
  }
}

function anybodyBut(refusal: string | null): Identity {
  if (refusal !== null) throw new NotForBrowsers(refusal);
  return ANYBODY;
}

function holderOf(credentials: Credentials, authenticator: Authenticator): Soon<Identity | null> {
  return credentials.kind === 'key' ? authenticator.identify(credentials.key) : null;
}
