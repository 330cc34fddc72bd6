interface Waiting<I, O> {
  readonly item: I;
  readonly since: number;
  readonly resolve: (result: O) => void;
  readonly reject: (error: unknown) => void;
}

/** It was not begun. Taken for what it is as a rule: whatever the others wait for does not answer. */
export class WaitedTooLong extends Error {
  readonly code = 'ETIMEDOUT';
}

/**
 * Does one thing at a time for all who have asked meanwhile: alone, an item is served at once; under load, many share one
 * round trip. Items are served in the order in which they came.
 */
export class Batcher<I, O> {
  private waiting: Waiting<I, O>[] = [];
  private isRunning = false;

  /**
   * @param run gives one result for each item, in their order.
   * @param patienceMs an item that waited longer for its turn is refused with WaitedTooLong
   */
  constructor(
    private readonly run: (items: readonly I[]) => Promise<readonly O[]>,
    private readonly maxItems: number,
    private readonly patienceMs = Infinity,
  ) {}

  add(item: I): Promise<O> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, since: performance.now(), resolve, reject });
      if (this.isRunning) return;
      this.isRunning = true;
      setImmediate(() => void this.drain());
    });
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      this.refuseLate();
      const batch = this.waiting.splice(0, this.maxItems);
      if (batch.length === 0) break;
      try {
        const results = await this.run(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, index) => resolve(results[index] as O));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isRunning = false;
  }

  private refuseLate(): void {
    const late = performance.now() - this.patienceMs;
    while (this.waiting[0] !== undefined && this.waiting[0].since < late)
      this.waiting.shift()?.reject(new WaitedTooLong('It waited too long for its turn'));
  }
}
