import type { AttemptRecord } from '../../src/webhooks/delivery.repository.js';
import { CLOSED_BREAKER } from '../../src/webhooks/domain/breaker.js';

/** A first try of a delivery that the receiver answered with 503. */
export function aFailedTry(
  of: Pick<AttemptRecord, 'endpointId' | 'token' | 'deliveryId'>,
  at = new Date(),
): AttemptRecord {
  return {
    ...of,
    state: 'pending',
    attempts: 1,
    clientErrors: 0,
    parked: false,
    nextAttemptAt: new Date(at.getTime() + 5_000),
    at,
    status: 503,
    class: 'server-error',
    durationMs: 1,
    bytes: 0,
    isProbe: false,
    breaker: CLOSED_BREAKER,
    disabledBecause: null,
    pullsForward: false,
  };
}
