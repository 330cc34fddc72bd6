import { addMs, type Clock } from '../platform/clock.js';
import { groupBy } from '../platform/group-by.js';
import type { Random } from '../platform/random.js';
import type { AttemptRecord, ClaimedEndpoint, DueDelivery } from './delivery.repository.js';
import { LINE_DEPTH, LINES } from './delivery.statements.js';
import { type Consequence, judgeAttempt } from './domain/attempt.js';
import { type Breaker, choosePassage, type Passage } from './domain/breaker.js';
import type { Outcome } from './domain/outcome.js';

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
  pullForward(endpointId: string): Promise<void>;
  note(
    endpoint: ClaimedEndpoint,
    delivery: DueDelivery,
    consequence: Consequence,
    outcome: Outcome,
    isProbe: boolean,
  ): void;
  report(error: unknown, endpointId: string): void;
}

/** One instance's events that are due, in their order. */
interface Line {
  readonly instanceId: string;
  readonly deliveries: readonly DueDelivery[];
}

const AT_ONCE = 4;
/** What has piled up during an outage is not poured over a receiver that has just come back. */
const RECOVERY_GAP_MS = 2.5;

/** Sends to one receiver for as long as there is something due: at most four at once, each instance's events one after another. */
export class EndpointWorker {
  readonly startedAtMs = performance.now();
  private breaker: Breaker;
  private ready: Line[] = [];
  /** Instances whose line is being sent, until what came of it is written. */
  private readonly busy = new Set<string>();
  private isLoading = false;
  private mayHaveMore = true;
  private isSkipping = false;
  private resumeAfter = '';
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
    this.mayHaveMore = true;
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
    while (this.maySend && this.busy.size < AT_ONCE) {
      const line = this.ready.shift();
      if (line === undefined) break;
      this.busy.add(line.instanceId);
      void this.sendLine(line);
    }
    if (this.maySend && this.ready.length === 0 && this.busy.size < AT_ONCE && this.mayHaveMore) void this.loadMore();
    const isIdle = this.busy.size === 0 && !this.isLoading;
    if (isIdle && (!this.maySend || (this.ready.length === 0 && !this.mayHaveMore))) this.finish();
  }

  private async loadMore(): Promise<void> {
    if (this.isLoading) return;
    this.isLoading = true;
    this.mayHaveMore = false;
    const busyBefore = new Set(this.busy);
    try {
      const due = await this.desk.load(this.endpoint.id, this.resumeAfter);
      this.take(due, busyBefore);
    } catch (error) {
      this.desk.report(error, this.endpoint.id);
      this.isStopped = true;
    }
    this.isLoading = false;
    this.pump();
  }

  /** A line that was being sent when the look began is left out: its first events may be done by now. */
  private take(due: readonly DueDelivery[], busyBefore: ReadonlySet<string>): void {
    const { lines, parked } = toLines(due);
    const taken = new Set<string>();
    for (const line of [...lines, ...parked]) {
      const isTaken = busyBefore.has(line.instanceId) || this.busy.has(line.instanceId) || taken.has(line.instanceId);
      if (isTaken) {
        this.isSkipping = true;
        continue;
      }
      taken.add(line.instanceId);
      this.ready.push(line);
    }
    const isCut = lines.length >= LINES;
    // After the last instance it goes round to the first, so that nobody far back in the order waits for ever.
    if (isCut || this.resumeAfter !== '') this.mayHaveMore = true;
    this.resumeAfter = isCut ? (lines.at(-1)?.instanceId ?? '') : '';
  }

  private async sendLine(line: Line): Promise<void> {
    const written: Promise<unknown>[] = [];
    try {
      const isWhole = await this.sendAll(line, written);
      await Promise.all(written);
      if (this.isSkipping || (isWhole && line.deliveries.length >= LINE_DEPTH)) this.mayHaveMore = true;
    } catch (error) {
      this.desk.report(error, this.endpoint.id);
      this.isStopped = true;
    }
    this.busy.delete(line.instanceId);
    this.isSkipping = false;
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
    return { consequence, recorded: consequence.pullsForward ? recorded.then(() => this.recover()) : recorded };
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

  private async recover(): Promise<void> {
    await this.desk.pullForward(this.endpoint.id);
    this.isRecovering = true;
    this.mayHaveMore = true;
  }

  private async turn(): Promise<void> {
    if (!this.isRecovering) return;
    const nowMs = performance.now();
    this.nextTurnMs = Math.max(nowMs, this.nextTurnMs + RECOVERY_GAP_MS);
    if (this.nextTurnMs - nowMs >= 1) await new Promise((resolve) => setTimeout(resolve, this.nextTurnMs - nowMs));
  }
}

function toLines(due: readonly DueDelivery[]): { lines: Line[]; parked: Line[] } {
  const [waiting, parked] = [due.filter((one) => !one.parked), due.filter((one) => one.parked)];
  const byInstance = groupBy(waiting, ({ instanceId }) => instanceId);
  return {
    lines: [...byInstance].map(([instanceId, deliveries]) => ({ instanceId, deliveries })),
    parked: parked.map((delivery) => ({ instanceId: delivery.instanceId, deliveries: [delivery] })),
  };
}
