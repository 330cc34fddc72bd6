import { Clock } from '../../src/platform/clock.js';

/** Runs `speed` times as fast as the wall clock, and jumps when it is told to. */
export class TestClock extends Clock {
  private readonly startedAtMs = Date.now();
  private skippedMs = 0;

  constructor(private readonly speed = 1) {
    super();
  }

  override now(): Date {
    return new Date(this.startedAtMs + (Date.now() - this.startedAtMs) * this.speed + this.skippedMs);
  }

  override monotonicMs(): number {
    return this.now().getTime();
  }

  skip(ms: number): void {
    this.skippedMs += ms;
  }
}
