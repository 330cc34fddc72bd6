const TICK_MS = 10;
/** What an idle process begins at once: far less than what a zone that is lost asks for. */
const MOST_AT_ONCE = 4;
const IDLE_TICKS = 100;
/** A tick's weight against those before it: what counts is the last tenth of a second. */
const NEWEST = 0.1;

/** How many jobs may begin within the next ten milliseconds, by the part of the last hundred in which the event loop was busy. */
export function startsFor(utilization: number): number {
  if (utilization < 0.3) return MOST_AT_ONCE;
  return utilization < 0.45 ? 1 : 0.5;
}

/**
 * Background work that comes by the thousand begins only as fast as the requests beside it can bear. However busy the process is,
 * fifty jobs begin in a second; where it is idle a job does not wait at all.
 */
export class GiveWay {
  private waiting: (() => void)[] = [];
  private starts = MOST_AT_ONCE;
  private measured = performance.eventLoopUtilization();
  private timer: NodeJS.Timeout | null = null;
  private utilization = 0;
  private tickedAt = 0;
  private idleTicks = 0;

  async turn(): Promise<void> {
    if (this.timer === null) this.watch();
    this.idleTicks = 0;
    if (this.waiting.length === 0 && this.starts >= 1) {
      this.starts -= 1;
      return;
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Nobody waits any longer: the process is about to end. */
  end(): void {
    for (const begin of this.waiting.splice(0)) begin();
  }

  private watch(): void {
    this.measured = performance.eventLoopUtilization();
    this.tickedAt = performance.now();
    this.starts = MOST_AT_ONCE;
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.timer.unref();
  }

  private tick(): void {
    const before = this.measured;
    this.measured = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(this.measured, before);
    // A busy loop comes here late.
    const ticks = Math.max(1, (performance.now() - this.tickedAt) / TICK_MS);
    this.tickedAt = performance.now();
    this.utilization += Math.min(1, NEWEST * ticks) * (utilization - this.utilization);
    this.starts = Math.min(MOST_AT_ONCE * ticks, this.starts + ticks * startsFor(this.utilization));
    this.begin();
    this.idleTicks = this.waiting.length > 0 ? 0 : this.idleTicks + 1;
    if (this.idleTicks < IDLE_TICKS || this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  private begin(): void {
    for (; this.starts >= 1 && this.waiting.length > 0; this.starts -= 1) this.waiting.shift()?.();
    this.starts = Math.min(this.starts, MOST_AT_ONCE);
  }
}
