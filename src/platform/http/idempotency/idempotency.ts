import { Injectable } from '@nestjs/common';
import { addMs, Clock } from '../../clock.js';
import type { AnyTx } from '../../database/statement.js';
import { AnsweredMeanwhile, IdempotencyKeyReused, RequestInFlight } from './idempotency.errors.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { keyHashOf, seal, unseal } from './sealed-answer.js';

/** One request that may come again. */
export interface Claim {
  readonly teamId: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
}

export interface Answer {
  readonly status: number;
  /** The body, byte for byte. */
  readonly text: string;
}

@Injectable()
export class Idempotency {
  /** Teams and keys that this process is serving right now. */
  readonly serving = new Set<string>();

  constructor(
    private readonly kept: IdempotencyRepository,
    private readonly clock: Clock,
  ) {}

  /** What was answered to the key before. @throws RequestInFlight, IdempotencyKeyReused */
  async find(claim: Claim): Promise<Answer | null> {
    const now = this.clock.now();
    const kept = await this.kept.find(nameOf(claim), now);
    if (kept === null) return null;
    if (kept.fingerprint !== claim.fingerprint) throw new IdempotencyKeyReused();
    if (kept.inFlightUntil !== null && kept.inFlightUntil > now) throw new RequestInFlight();
    return { status: kept.status, text: unseal(kept.answer, claim.teamId, claim.idempotencyKey) };
  }

  /**
   * Written with the effect: from its commit on, every other sender gets this answer.
   * @param inFlightMs how long the answer may still be replaced by `settle`; others are told to ask again meanwhile.
   * @throws RequestInFlight, AnsweredMeanwhile: the transaction must not be committed
   */
  async keep(claim: Claim, { status, text }: Answer, inFlightMs: number, tx: AnyTx): Promise<void> {
    const now = this.clock.now();
    const answer = seal(text, claim.teamId, claim.idempotencyKey);
    const inFlightUntil = inFlightMs > 0 ? addMs(now, inFlightMs) : null;
    const { fingerprint } = claim;
    const keeping = await this.kept.keep(nameOf(claim), { fingerprint, status, answer, inFlightUntil }, now, tx);
    if (keeping === 'held-by-another') throw new RequestInFlight();
    if (keeping === 'answered-before') throw new AnsweredMeanwhile();
  }

  /** The answer that is really given, after waiting; false when it came too late to be given. */
  async settle(claim: Claim, text: string): Promise<boolean> {
    const answer = Uint8Array.from(seal(text, claim.teamId, claim.idempotencyKey));
    return this.kept.settle(nameOf(claim), answer, this.clock.now());
  }
}

function nameOf({ teamId, idempotencyKey }: Claim): { teamId: string; keyHash: string } {
  return { teamId, keyHash: keyHashOf(teamId, idempotencyKey) };
}
