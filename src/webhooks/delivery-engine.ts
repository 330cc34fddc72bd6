import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { EVENTS_CHANNEL } from '../events/event-tail.js';
import { Batcher } from '../platform/batcher.js';
import { Clock } from '../platform/clock.js';
import { workSignals } from '../platform/telemetry/work-signals.js';
import { isConnectionLoss } from '../platform/database/connection-loss.js';
import { Notifications } from '../platform/database/notifications.js';
import { Draining } from '../platform/draining.js';
import { Random } from '../platform/random.js';
import {
  type AttemptRecord,
  type ClaimedEndpoint,
  DeliveryRepository,
  type DueDelivery,
  type LoadRequest,
} from './delivery.repository.js';
import type { Consequence } from './domain/attempt.js';
import type { Outcome } from './domain/outcome.js';
import { type Desk, EndpointWorker } from './endpoint-worker.js';
import { CannotOpen } from '../platform/secrets/secret-box.js';
import { type Credentials, WebhookSender } from './webhook-sender.js';

/** Renewed while it is in use; a replica that dies is followed by another after this time. */
const LEASE_MS = 20_000;
/** Nothing is begun so shortly before the lease ends. */
const LEASE_MARGIN_MS = 3_000;
/** Receivers that one replica works on at once: at most four connections each. */
const MAX_WORKERS = 256;
/** Receivers that fail hold their places for long; the others shall always find one. */
const MAX_FAILING_WORKERS = 64;
/** While all places are taken, whoever has had one for so long makes room. */
const TURN_MS = 10_000;
const TURNS_ENDED_AT_ONCE = 32;
const CLAIM_AT_MOST_EVERY_MS = 5;
/** Looking for work takes at most this part of the time, however many receivers have something waiting. */
const CLAIM_DUTY = 5;
const MAX_BATCH = 200;
const RECORD_TRIES = 20;
const RECORD_RETRY_MS = 500;
const FINISH_WITHIN_MS = 5_000;

/** Sends what the outbox holds. Every replica runs one; the rows say who works on which receiver. */
@Injectable()
export class DeliveryEngine implements OnModuleInit {
  private readonly logger = new Logger(DeliveryEngine.name);
  private readonly workers = new Map<string, EndpointWorker>();
  private readonly credentials = new WeakMap<ClaimedEndpoint, Promise<Credentials>>();
  private readonly loads: Batcher<LoadRequest, DueDelivery[]>;
  private readonly records: Batcher<AttemptRecord, boolean>;
  private readonly releases: Batcher<{ id: string; token: string }, undefined>;
  private readonly desk: Desk;
  /** Where the look for failing and for other receivers goes on, so that each comes round to its turn. */
  private readonly claimedUpTo = new Map<boolean, string>();
  private isClaiming = false;
  private isAskedAgain = false;
  private isClosing = false;

  constructor(
    private readonly deliveries: DeliveryRepository,
    private readonly sender: WebhookSender,
    private readonly notifications: Notifications,
    private readonly clock: Clock,
    random: Random,
    draining: Draining,
  ) {
    this.loads = new Batcher((asked) => this.deliveries.loadDue(asked, this.clock.now()), MAX_BATCH);
    this.records = new Batcher((records) => this.recordSurely(records), MAX_BATCH);
    this.releases = new Batcher(async (held) => {
      await this.deliveries.release(held);
      return held.map(() => undefined);
    }, MAX_BATCH);
    this.desk = {
      clock,
      random,
      load: (endpointId, afterInstanceId) => this.loads.add({ endpointId, afterInstanceId }),
      loadForProbe: (endpointId) => this.deliveries.loadForProbe(endpointId),
      send: (endpoint, delivery) => this.send(endpoint, delivery),
      record: (record) => this.records.add(record),
      note: (...seen) => this.note(...seen),
      report: (error, endpointId) =>
        this.logger.warn({ err: error, endpointId }, 'deliveries to a receiver were broken off'),
    };
    draining.handOver(() => this.handOver());
  }

  onModuleInit(): void {
    this.notifications.on(EVENTS_CHANNEL, () => this.wake());
  }

  /** Something may be due. */
  wake(): void {
    for (const worker of this.workers.values()) worker.lookAgain();
    void this.claim();
  }

  /** Keeps what is in hand. Whoever has lost a receiver begins nothing more with it. */
  async renew(): Promise<void> {
    const workers = [...this.workers.values()];
    if (workers.length === 0) return;
    const leaseEndsMs = leaseEnd();
    const held = await this.deliveries.renew(workers.map(holdOf), LEASE_MS);
    for (const worker of workers) {
      if (held.has(worker.endpoint.id)) worker.prolong(leaseEndsMs);
      else worker.stop();
    }
  }

  /** What is under way gets a moment, the rest is handed back at once. */
  private async handOver(): Promise<void> {
    this.isClosing = true;
    for (const worker of this.workers.values()) worker.stop();
    const giveUpAtMs = performance.now() + FINISH_WITHIN_MS;
    while (this.workers.size > 0 && performance.now() < giveUpAtMs) await pause(20);
    const left = [...this.workers.values()].map(holdOf);
    if (left.length > 0) await this.deliveries.release(left).catch(() => undefined);
  }

  private async claim(): Promise<void> {
    this.isAskedAgain = true;
    if (this.isClaiming) return;
    this.isClaiming = true;
    while (this.isAskedAgain && !this.isClosing) {
      this.isAskedAgain = false;
      const startedAtMs = performance.now();
      await this.claimOnce().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'deliveries could not be looked for; the next look tries again');
      });
      const tookMs = performance.now() - startedAtMs;
      if (this.isAskedAgain) await pause(Math.max(CLAIM_AT_MOST_EVERY_MS, tookMs * (CLAIM_DUTY - 1)));
    }
    this.isClaiming = false;
  }

  private async claimOnce(): Promise<void> {
    const failingNow = [...this.workers.values()].filter(({ endpoint }) => endpoint.breaker.failuresInRow > 0).length;
    const free = MAX_WORKERS - this.workers.size;
    if (free <= 0) return this.endTurns();
    for (const [failing, limit] of [
      [false, free],
      [true, Math.min(free, MAX_FAILING_WORKERS - failingNow)],
    ] as const) {
      if (limit <= 0) continue;
      await this.claimNext(failing, limit);
    }
  }

  private async claimNext(failing: boolean, limit: number): Promise<void> {
    const leaseEndsMs = leaseEnd();
    const afterId = this.claimedUpTo.get(failing) ?? '';
    const wish = { now: this.clock.now(), limit, leaseMs: LEASE_MS, failing, afterId };
    const claimed = await this.deliveries.claimEndpoints(wish);
    for (const endpoint of claimed) void this.work(endpoint, leaseEndsMs);
    const isRoundOver = claimed.length < limit;
    const last = claimed.reduce((latest, { id }) => (id > latest ? id : latest), afterId);
    this.claimedUpTo.set(failing, isRoundOver ? '' : last);
    if (isRoundOver && afterId !== '') this.isAskedAgain = true;
  }

  /** A receiver with an endless supply must not keep its place for ever: the rest of it waits for its next turn. */
  private endTurns(): void {
    const turnsBeganByMs = performance.now() - TURN_MS;
    const had = [...this.workers.values()].filter(({ startedAtMs }) => startedAtMs <= turnsBeganByMs);
    for (const worker of had.slice(0, TURNS_ENDED_AT_ONCE)) worker.stop();
  }

  private async work(endpoint: ClaimedEndpoint, leaseEndsMs: number): Promise<void> {
    const worker = new EndpointWorker(endpoint, leaseEndsMs, this.desk);
    this.workers.set(endpoint.id, worker);
    try {
      await worker.run();
    } catch (error) {
      this.desk.report(error, endpoint.id);
    }
    this.workers.delete(endpoint.id);
    await this.releases.add(holdOf(worker)).catch(() => undefined);
    // What was committed between its last look and the release has found the receiver taken.
    if (!this.isClosing) void this.claim();
  }

  private async send(endpoint: ClaimedEndpoint, delivery: DueDelivery): Promise<Outcome> {
    const credentials = this.credentials.get(endpoint) ?? this.sender.credentialsOf(endpoint);
    this.credentials.set(endpoint, credentials);
    try {
      const message = { ...delivery, attempt: delivery.attempts + 1 };
      return await this.sender.send(endpoint.url, message, await credentials);
    } catch (error) {
      if (!(error instanceof CannotOpen)) throw error;
      this.logger.error(
        { err: error, endpointId: endpoint.id },
        'a receiver gets nothing: its secret or its headers cannot be read',
      );
      return { kind: 'failed', class: 'signing', durationMs: 0 };
    }
  }

  /** What was sent is worth some patience: a result that is lost is an event sent twice. */
  private async recordSurely(records: readonly AttemptRecord[]): Promise<boolean[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const written = await this.deliveries.record(records, LEASE_MS, this.clock.now());
        for (const isWritten of written) if (!isWritten) workSignals.overtaken.tell({ record: 'delivery' });
        return written;
      } catch (error) {
        if (attempt >= RECORD_TRIES || !isConnectionLoss(error)) throw error;
        await pause(RECORD_RETRY_MS);
      }
    }
  }

  private note(
    endpoint: ClaimedEndpoint,
    delivery: DueDelivery,
    consequence: Consequence,
    outcome: Outcome,
    isProbe: boolean,
  ): void {
    const { because, disabledBecause } = consequence;
    workSignals.webhookAttempted.tell({ outcome: labelOf(outcome) });
    const facts = {
      endpointId: endpoint.id,
      eventId: delivery.eventId,
      instanceId: delivery.instanceId,
      attempt: delivery.attempts + 1,
      ...(outcome.kind === 'answered' ? { status: outcome.status } : {}),
      ...(isProbe ? { isProbe } : {}),
      durationMs: outcome.durationMs,
    };
    if (because === null) this.logger.debug(facts, 'webhook delivered');
    else this.logger.log({ ...facts, because }, 'webhook not delivered');
    if (disabledBecause !== null)
      this.logger.warn(
        { endpointId: endpoint.id, because: disabledBecause },
        'receiver switched off; its events are held',
      );
  }
}

/** `2xx` and so on when there was an answer. */
function labelOf(outcome: Outcome): string {
  if (outcome.kind === 'answered') return `${Math.floor(outcome.status / 100)}xx`;
  return outcome.kind === 'refused' ? 'refused' : outcome.class;
}

function holdOf({ endpoint }: EndpointWorker): { id: string; token: string } {
  return { id: endpoint.id, token: endpoint.token };
}

function leaseEnd(): number {
  return performance.now() + LEASE_MS - LEASE_MARGIN_MS;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
