import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './statistics.ts';

const EVERY_MS = 20;

/** A few readers, fifty requests a second in all, whether or not the earlier ones have been answered. */
export class Traffic {
  private latencies: number[] = [];
  private failed = 0;
  private isOn = true;
  private readonly ended: Promise<void>;

  constructor(urls: readonly string[]) {
    this.ended = this.keepOn(urls);
  }

  /** Of the requests that were answered since it was last asked. @throws when one was not answered with 200 */
  takeP99Ms(): number {
    const { latencies, failed } = this;
    this.latencies = [];
    this.failed = 0;
    if (failed > 0) throw new Error(`${failed} of ${latencies.length + failed} requests failed`);
    return percentile(latencies, 0.99);
  }

  async stop(): Promise<void> {
    this.isOn = false;
    await this.ended;
  }

  private async keepOn(urls: readonly string[]): Promise<void> {
    const open = new Set<Promise<void>>();
    for (let count = 0; this.isOn; count += 1) {
      const asking = this.ask(urls[count % urls.length] ?? '');
      open.add(asking);
      void asking.then(() => open.delete(asking));
      await sleep(EVERY_MS);
    }
    await Promise.all(open);
  }

  private async ask(url: string): Promise<void> {
    const startedAt = performance.now();
    try {
      const answer = await fetch(url);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(String(answer.status));
      this.latencies.push(performance.now() - startedAt);
    } catch {
      this.failed += 1;
    }
  }
}
