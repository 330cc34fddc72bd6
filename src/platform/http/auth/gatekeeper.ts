import type { FastifyRequest } from 'fastify';
import { ANONYMOUS } from '../caller.js';
import { keyIdIn } from './api-key.js';
import { FixedWindowStorage } from '../rate-limit/fixed-window-storage.js';
import { AuthenticationFailed, ScopeMissing, TooManyFailures } from './auth.errors.js';
import type { Authenticator, Identity } from './authenticator.js';
import { credentialsIn } from './credentials.js';
import { requiredScopeOf } from './require-scope.js';
import { covers } from './scopes.js';

const NOBODY: Identity = { caller: ANONYMOUS, keyId: null, scopes: [] };
const ANYBODY: Identity = { caller: ANONYMOUS, keyId: null, scopes: ['admin'] };
const FAILURES_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

/** Says who a request comes from, and whether that is enough for what it asks. */
export class Gatekeeper {
  private readonly failures = new FixedWindowStorage();

  /** @param authenticator none: the application has no keys at all, and everybody may do everything. */
  constructor(
    private readonly authenticator: Authenticator | null,
    private readonly countsFailures: boolean,
  ) {}

  /**
   * Where a key is needed, its holder; elsewhere nobody in particular.
   * @param address whom failures are counted for, besides the key that was tried. @throws AuthenticationFailed or TooManyFailures
   */
  async identify(request: FastifyRequest, address: string): Promise<Identity> {
    if (this.authenticator === null) return ANYBODY;
    const credentials = credentialsIn(request.raw.rawHeaders);
    const isNeeded = requiredScopeOf(request) !== null;
    // Unmatched requests are counted for their key when they show one.
    if (!isNeeded && !(request.is404 && credentials.kind === 'key')) return NOBODY;
    // A service without keys has nothing to compare one with.
    if (await this.authenticator.isOpen()) return ANYBODY;
    const identity = credentials.kind === 'key' ? await this.authenticator.identify(credentials.key) : null;
    if (identity !== null) return identity;
    if (!isNeeded) return NOBODY;
    if (credentials.kind !== 'none') await this.countFailure(address);
    if (credentials.kind === 'key') await this.countFailure(keyIdIn(credentials.key));
    throw new AuthenticationFailed();
  }

  /** Would a request that was let in be let in again? For answers that last; nothing is counted. */
  async wouldAdmit(request: FastifyRequest): Promise<boolean> {
    const required = requiredScopeOf(request);
    if (this.authenticator === null || required === null || (await this.authenticator.isOpen())) return true;
    const credentials = credentialsIn(request.raw.rawHeaders);
    const identity = credentials.kind === 'key' ? await this.authenticator.identify(credentials.key) : null;
    return identity !== null && covers(identity.scopes, required);
  }

  /** @throws ScopeMissing */
  permit(identity: Identity, request: FastifyRequest): void {
    const required = requiredScopeOf(request);
    if (required !== null && !covers(identity.scopes, required)) throw new ScopeMissing(required);
  }

  /** Whoever shows the right key is never counted: trying at a key from many addresses does not lock its owner out. */
  private async countFailure(whose: string | null): Promise<void> {
    if (!this.countsFailures || whose === null) return;
    const record = await this.failures.increment(whose, MINUTE_MS, FAILURES_PER_MINUTE, 0, 'authentication');
    if (record.isBlocked) throw new TooManyFailures(Math.max(1, Math.ceil(record.timeToBlockExpire)));
  }
}
