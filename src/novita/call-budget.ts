import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Settings } from '../platform/config.js';
import type { Lane } from './novita-client.js';
import { NovitaError, type NovitaErrorClass } from './novita.errors.js';
import { GateRepository, type GateState } from './gate.repository.js';

/** How long a call of each lane waits for its turn before it gives up unsent. */
const MAX_WAIT_MS: Record<Lane, number> = { urgent: 30_000, order: 20_000, sweep: 10_000 };
/** Part of the burst that each lane leaves to those before it. */
const RESERVE: Record<Lane, number> = { urgent: 0, order: 0.2, sweep: 0.4 };
/** After this part of its wait a call leaves nothing to others any more: no lane may be without a turn for as long as another is busy. */
const PATIENCE = 0.5;
const FAILURES_TO_OPEN = 5;
const PAUSE_WITHOUT_RETRY_AFTER_SECONDS = 2;
const MAX_PAUSE_SECONDS = 120;
const SUCCESS_NOTE_EVERY_MS = 5_000;

export interface UpstreamHealth extends GateState {
  readonly isOpen: boolean;
}

/** The one budget of upstream calls that all replicas share: who may call now, and what a 429 or an outage does to everyone. */
@Injectable()
export class CallBudget {
  private readonly perSecond: number;
  private readonly burst: number;
  private successNotedAt = 0;

  constructor(
    private readonly gate: GateRepository,
    settings: Settings,
  ) {
    // A full bucket and a minute's refill together never exceed the minute's budget.
    this.burst = Math.max(1, settings.novitaRequestsPerMinute / 10);
    this.perSecond = Math.max(settings.novitaRequestsPerMinute - this.burst, 1) / 60;
  }

  /** Waits for a turn. @throws NovitaError, never sent, when the lane's patience ends or the circuit is open. */
  async take(lane: Lane, call: string): Promise<void> {
    const since = performance.now();
    const giveUpAt = since + MAX_WAIT_MS[lane];
    for (;;) {
      const isStarving = performance.now() - since > MAX_WAIT_MS[lane] * PATIENCE;
      const waitMs = await this.tryTake(isStarving ? 0 : RESERVE[lane], call);
      if (waitMs === 0) return;
      if (performance.now() + waitMs > giveUpAt) throw new NovitaError('rate-limited', 'not-sent', call);
      await sleep(waitMs);
    }
  }

  async noteSuccess(): Promise<void> {
    const now = performance.now();
    if (now - this.successNotedAt < SUCCESS_NOTE_EVERY_MS) return;
    this.successNotedAt = now;
    await this.gate.recordSuccess();
  }

  /** A 404 or any other clear refusal is an answer, not an outage: only silence, 5xx and rejected keys count. */
  async noteFailure(error: NovitaError): Promise<void> {
    if (error.outcome === 'not-sent') return;
    if (error.errorClass === 'rate-limited') {
      const seconds = error.retryAfterSeconds ?? PAUSE_WITHOUT_RETRY_AFTER_SECONDS;
      await this.gate.pause(Math.min(seconds, MAX_PAUSE_SECONDS));
    } else if (countsAsOutage(error.errorClass)) {
      this.successNotedAt = 0;
      if (error.retryAfterSeconds !== null) await this.gate.pause(Math.min(error.retryAfterSeconds, MAX_PAUSE_SECONDS));
      await this.gate.recordFailure(error.errorClass, FAILURES_TO_OPEN);
    } else {
      await this.noteSuccess();
    }
  }

  async health(): Promise<UpstreamHealth> {
    const state = await this.gate.read();
    return { ...state, isOpen: state.consecutiveFailures >= FAILURES_TO_OPEN };
  }

  private async tryTake(reserve: number, call: string): Promise<number> {
    const { burst, perSecond } = this;
    const answer = await this.gate.take({
      burst,
      perSecond,
      needed: 1 + reserve * (burst - 1),
      failuresToOpen: FAILURES_TO_OPEN,
    });
    if (answer.kind === 'taken') {
      // Somebody's failure stands in the row: the next success must clear it at once.
      if (answer.failures > 0) this.successNotedAt = 0;
      return 0;
    }
    // A rejected key is not an outage: what waits for it would wait for ever.
    if (answer.kind === 'open')
      throw new NovitaError(answer.because === 'auth' ? 'auth' : 'unavailable', 'not-sent', call, 'CIRCUIT_OPEN');
    return Math.min(Math.max(answer.waitMs, 20), 1000);
  }
}

function countsAsOutage(errorClass: NovitaErrorClass): boolean {
  return errorClass === 'unavailable' || errorClass === 'auth';
}
