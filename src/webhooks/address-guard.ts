import { isIP } from 'node:net';
import { judgeAddress } from './domain/address-rule.js';
import type { TargetRefusal } from './domain/outcome.js';
import type { TargetPolicy } from './domain/target-policy.js';
import type { Purpose } from './domain/target-url.js';
import { hostRefusal, judgeTargetUrl } from './domain/target-url.js';
import type { NameResolver } from './name-resolver.js';

export type Registration =
  /** `verified` is false when the name had no address in time; the check before each connect is the one that counts. */
  { allowed: true; url: string; verified: boolean } | { allowed: false; because: TargetRefusal };

/** What may be dialled. Every one of the addresses has passed; the list is never empty. */
export type Resolution =
  { kind: 'checked'; addresses: string[] } | { kind: 'refused'; because: TargetRefusal } | { kind: 'unresolved' };

/** A name with more addresses than this is not a receiver but an attempt to have many hosts dialled. */
const MAX_ADDRESSES = 32;

export interface GuardLimits {
  /** How long a name may take to resolve. */
  dnsTimeoutMs: number;
}

/**
 * Stands in front of every outbound call to a host that somebody else has chosen. A URL is judged when it is registered, to
 * answer fast, and its addresses each time a connection is made, because a name can change its mind in between.
 */
export class AddressGuard {
  private readonly policyListeners: (() => void)[] = [];

  constructor(
    private policy: TargetPolicy,
    private readonly resolver: NameResolver,
    private readonly limits: GuardLimits = { dnsTimeoutMs: 3000 },
  ) {}

  /** From now on; whoever keeps connections open learns of it through {@link onPolicyChange}. */
  usePolicy(policy: TargetPolicy): void {
    this.policy = policy;
    for (const listener of this.policyListeners) listener();
  }

  onPolicyChange(listener: () => void): void {
    this.policyListeners.push(listener);
  }

  async checkAtRegistration(url: string, signal?: AbortSignal): Promise<Registration> {
    const verdict = judgeTargetUrl(url, this.policy);
    if (!verdict.allowed) return verdict;
    const resolution = await this.resolve(verdict.host, verdict.port, signal);
    if (resolution.kind === 'refused') return { allowed: false, because: resolution.because };
    return { allowed: true, url: verdict.url, verified: resolution.kind === 'checked' };
  }

  /** Judges the URL again, then all addresses that its name has right now: one bad address refuses them all. */
  async resolveForConnect(url: string, signal?: AbortSignal, purpose: Purpose = 'webhook'): Promise<Resolution> {
    const verdict = judgeTargetUrl(url, this.policy, purpose);
    if (!verdict.allowed) return { kind: 'refused', because: verdict.because };
    return this.resolve(verdict.host, verdict.port, signal);
  }

  /** As {@link resolveForConnect}, for a bare host and port such as a machine's SSH endpoint. */
  async resolveEndpoint(host: string, port: number, signal?: AbortSignal): Promise<Resolution> {
    const because = hostRefusal(host, port, this.policy);
    if (because) return { kind: 'refused', because };
    if (!Number.isInteger(port) || port < 1 || port > 65_535) return { kind: 'refused', because: 'port-not-allowed' };
    return this.resolve(host, port, signal);
  }

  /** The judgement of {@link resolveForConnect} that needs no name server; null when nothing speaks against the URL. */
  refusalOf(url: string, purpose: Purpose): TargetRefusal | null {
    const verdict = judgeTargetUrl(url, this.policy, purpose);
    return verdict.allowed ? null : verdict.because;
  }

  private async resolve(host: string, port: number, signal?: AbortSignal): Promise<Resolution> {
    // Node's own resolver is never asked about a literal, so it is judged here and nowhere else.
    const addresses = isIP(host) !== 0 ? [host] : await this.addressesOf(host, signal);
    if (!addresses || addresses.length === 0) return { kind: 'unresolved' };
    if (addresses.length > MAX_ADDRESSES) return { kind: 'refused', because: 'too-many-addresses' };
    for (const address of addresses) {
      const verdict = judgeAddress(address, this.policy, { host, port });
      if (!verdict.allowed) return { kind: 'refused', because: verdict.because };
    }
    return { kind: 'checked', addresses };
  }

  /** Null when the name has no address, or not in time; an answer that comes later is dropped. */
  private async addressesOf(host: string, signal?: AbortSignal): Promise<string[] | null> {
    const deadline = AbortSignal.timeout(this.limits.dnsTimeoutMs);
    const patience = signal ? AbortSignal.any([signal, deadline]) : deadline;
    return new Promise((resolve) => {
      if (patience.aborted) return resolve(null);
      patience.addEventListener('abort', () => resolve(null), { once: true });
      // The wrapper turns a resolver that throws at once into one that rejects.
      const answer = (async () => this.resolver.resolveAll(host, patience))();
      answer.then(resolve, () => resolve(null));
    });
  }
}
