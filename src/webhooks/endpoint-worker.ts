import { addMs, type Clock } from '../platform/clock.js';
import type { Random } from '../platform/random.js';
import type { AttemptRecord, ClaimedEndpoint, DueDelivery } from './delivery.repository.js';
import { type Consequence, judgeAttempt } from './domain/attempt.js';
import { type Breaker, choosePassage, type Passage } from './domain/breaker.js';
import type { Outcome } from './domain/outcome.js';
import { type Line, WaitingLines } from './waiting-lines.js';

/** What a worker needs of the replica that it works for. */
export interface Desk {
  readonly clock: Clock;
  readonly random: Random;
  load(endpointId: string, afterInstanceId: string): Promise<DueDelivery[]>;
  loadForProbe(endpointId: string): Promise<DueDelivery | null>;
  /** The secrets are read once for each claim. */
  send(endpoint: ClaimedEndpoint, delivery: DueDelivery): Promise<Outcome>;
  /** False when the receiver has passed to another replica. */
  record(record: AttemptRecord): Promise<boolean>;
  note(
    endpoint: ClaimedEndpoint,
    delivery: DueDelivery,
    consequence: Consequence,
    outcome: Outcome,
    isProbe: boolean,
  ): void;
  report(error: unknown, endpointId: string): void;
}

const AT_ONCE = 4;
/** What has piled up during an outage is not poured over a receiver that has just come back. */
const RECOVERY_GAP_MS = 2.5;

/** Sends to one receiver for as long as there is something due: at most four at once, each instance's events one after another. */
export class EndpointWorker {
  readonly startedAtMs = performance.now();
  private breaker: Breaker;
  private readonly lines = new WaitingLines();
  private isLoading = false;
  private isStopped = false;
  private isRecovering = false;
  private nextTurnMs = 0;
  private finish: () => void = () => undefined;

  constructor(
    readonly endpoint: ClaimedEndpoint,
    private leaseEndsMs: number,
    private readonly desk: Desk,
  ) {
    this.breaker = endpoint.breaker;
  }

  async run(): Promise<void> {
    if (this.passage === 'probe' && !(await this.probe())) return;
    const finished = new Promise<void>((resolve) => (this.finish = resolve));
    this.pump();
    await finished;
  }

  /** There may be more for it than was there when it looked. */
  lookAgain(): void {
    this.lines.mayHaveMore = true;
    this.pump();
  }

  /** What is under way is finished; nothing more is begun. */
  stop(): void {
    this.isStopped = true;
    this.pump();
  }

  prolong(leaseEndsMs: number): void {
    this.leaseEndsMs = leaseEndsMs;
  }

  private get maySend(): boolean {
    return !this.isStopped && this.passage === 'send' && performance.now() < this.leaseEndsMs;
  }

  private get passage(): Passage {
    return choosePassage(this.breaker, this.desk.clock.now());
  }

  private pump(): void {
    const { lines } = this;
    while (this.maySend && lines.atOnce < AT_ONCE) {
      const line = lines.begin();
      if (line === undefined) break;
      void this.sendLine(line);
    }
    if (this.maySend && lines.isEmpty && lines.atOnce < AT_ONCE && lines.mayHaveMore) void this.loadMore();
    const isIdle = lines.atOnce === 0 && !this.isLoading;
    if (isIdle && (!this.maySend || (lines.isEmpty && !lines.mayHaveMore))) this.finish();
  }

  private async loadMore(): Promise<void> {
    if (this.isLoading) return;
    this.isLoading = true;
    const busyBefore = this.lines.beginLook();
    try {
      this.lines.take(await this.desk.load(this.endpoint.id, this.lines.resumeAfter), busyBefore);
    } catch (error) {
      this.desk.report(error, this.endpoint.id);
      this.isStopped = true;
    }
    this.isLoading = false;
    this.pump();
  }

  private async sendLine(line: Line): Promise<void> {
    const written: Promise<unknown>[] = [];
    let isWhole = false;
    try {
      isWhole = await this.sendAll(line, written);
      await Promise.all(written);
    } catch (error) {
      this.desk.report(error, this.endpoint.id);
      this.isStopped = true;
    }
    this.lines.end(line, isWhole);
    this.pump();
  }

  /** False when it ended before the line did. */
  private async sendAll(line: Line, written: Promise<unknown>[]): Promise<boolean> {
    for (const delivery of line.deliveries) {
      await this.turn();
      if (!this.maySend || delivery.nextAttemptAt > this.desk.clock.now()) return false;
      const { consequence, recorded } = await this.attempt(delivery, false);
      written.push(recorded);
      if (consequence.state === 'pending' && !consequence.parked) return false;
    }
    return true;
  }

  /** Sends one event and only that one. True when the receiver is back. */
  private async probe(): Promise<boolean> {
    const delivery = await this.desk.loadForProbe(this.endpoint.id);
    if (delivery === null) return false;
    const { consequence, recorded } = await this.attempt(delivery, true);
    await recorded;
    return consequence.state === 'delivered' && !this.isStopped;
  }

  private async attempt(delivery: DueDelivery, isProbe: boolean) {
    const { clock, random } = this.desk;
    const at = clock.now();
    const outcome = await this.desk.send(this.endpoint, delivery);
    const consequence = judgeAttempt(delivery, this.breaker, isProbe, outcome, clock.now(), random.fraction());
    this.breaker = consequence.breaker;
    if (consequence.disabledBecause !== null) this.isStopped = true;
    this.desk.note(this.endpoint, delivery, consequence, outcome, isProbe);
    const recorded = this.record(delivery, consequence, outcome, isProbe, at);
    return { consequence, recorded: consequence.pullsForward ? recorded.then(() => this.beginRecovery()) : recorded };
  }

  private async record(
    delivery: DueDelivery,
    consequence: Consequence,
    outcome: Outcome,
    isProbe: boolean,
    sentAt: Date,
  ): Promise<void> {
    const record: AttemptRecord = {
      ...consequence,
      endpointId: this.endpoint.id,
      token: this.endpoint.token,
      deliveryId: delivery.id,
      at: addMs(sentAt, outcome.durationMs),
      status: outcome.kind === 'answered' ? outcome.status : null,
      class: consequence.because,
      durationMs: outcome.durationMs,
      bytes: outcome.kind === 'answered' ? outcome.bytes : 0,
      isProbe,
    };
    try {
      if (!(await this.desk.record(record))) this.isStopped = true;
    } catch (error) {
      this.desk.report(error, this.endpoint.id);
      this.isStopped = true;
    }
  }

  /** What waits for it is due now. */
  private beginRecovery(): void {
    this.isRecovering = true;
    this.lines.mayHaveMore = true;
  }

  private async turn(): Promise<void> {
    if (!this.isRecovering) return;
    const nowMs = performance.now();
    this.nextTurnMs = Math.max(nowMs, this.nextTurnMs + RECOVERY_GAP_MS);
    if (this.nextTurnMs - nowMs >= 1) await new Promise((resolve) => setTimeout(resolve, this.nextTurnMs - nowMs));
  }
}
