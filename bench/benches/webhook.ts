import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import type { Child } from '../lib/child.ts';
import { EventWriter, type Written } from '../lib/event-writer.ts';
import { plainFigure } from '../lib/figure.ts';
import type { Lab } from '../lib/lab.ts';
import { rounded, say } from '../lib/progress.ts';
import { at } from '../lib/project.ts';
import type { Arrival } from '../lib/receiver.ts';
import { ROUNDS, SECONDS } from '../lib/settings.ts';
import { percentile } from '../lib/statistics.ts';

const PER_SECOND = 50;
const BURST = 5_000;
const INSTANCES = 500;
const ARRIVE_WITHIN_MS = 60_000;

/** From the commit of an event to the first byte at its receiver, in a process of its own. */
export const webhook: Bench = {
  name: 'webhook',
  title: 'Webhooks: event committed to first byte at the receiver',
  async run(lab) {
    const receiver = await Receiver.start(lab);
    const [database, sandbox] = [await lab.database(), await lab.sandbox()];
    const env = { WEBHOOK_ALLOWED_HOSTS: receiver.host, WEBHOOK_SECRET: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' };
    const service = await lab.service(database, sandbox, env);
    const writer = await EventWriter.open(database, `http://${receiver.host}`);
    // The first ones pay for code that is not compiled yet.
    await receiver.delays(await steadily(writer));
    const [p50s, p95s, rates]: [number[], number[], number[]] = [[], [], []];
    for (let round = 1; round <= ROUNDS; round += 1) {
      const delays = await receiver.delays(await steadily(writer));
      p50s.push(percentile(delays, 0.5));
      p95s.push(percentile(delays, 0.95));
      const burst = await receiver.delays(await writer.write(BURST, INSTANCES));
      rates.push((BURST * 1000) / Math.max(...burst));
      const told = `p50 ${rounded(p50s.at(-1) ?? 0)} ms, p95 ${rounded(p95s.at(-1) ?? 0)} ms, burst ${rounded(rates.at(-1) ?? 0)}/s`;
      say(`round ${round} of ${ROUNDS}: ${told}`);
    }
    await writer.close();
    await Promise.all([service.stop(), sandbox.stop(), receiver.stop()]);
    return [
      plainFigure(`p50 at ${PER_SECOND}/s`, { atMost: 15 }, p50s, 'ms'),
      plainFigure(`p95 at ${PER_SECOND}/s`, { atMost: 100 }, p95s, 'ms'),
      plainFigure(`burst of ${BURST}`, { atLeast: 1000 }, rates, 'deliveries/s', '10 receivers, 500 instances'),
    ];
  },
};

/** One event after the other, evenly. */
async function steadily(writer: EventWriter): Promise<Written[]> {
  const written: Written[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < PER_SECOND * SECONDS; n += 1) {
    await sleep(Math.max(0, startedAt + (n * 1000) / PER_SECOND - performance.now()));
    written.push(...(await writer.write(1, 1)));
  }
  return written;
}

class Receiver {
  readonly host: string;
  private readonly child: Child;
  private readonly arrivals = new Map<string, number>();

  private constructor(child: Child, host: string) {
    this.child = child;
    this.host = host;
    child.process.on('message', ({ arrived = [] }: { arrived?: Arrival[] }) => {
      // A second delivery of the same event is none of ours.
      for (const { id, at: when } of arrived) if (!this.arrivals.has(id)) this.arrivals.set(id, when);
    });
  }

  static async start(lab: Lab): Promise<Receiver> {
    const child = lab.spawn([at('bench/lib/receiver.ts')]);
    const { port } = await child.next<{ port: number }>(10_000);
    return new Receiver(child, `127.0.0.1:${port}`);
  }

  /** Waits until all are there. */
  async delays(written: readonly Written[]): Promise<number[]> {
    const giveUpAt = performance.now() + ARRIVE_WITHIN_MS;
    while (!written.every(({ id }) => this.arrivals.has(id))) {
      if (performance.now() > giveUpAt) throw new Error('Not every event arrived');
      await sleep(50);
    }
    return written.map(({ id, committedAt }) => (this.arrivals.get(id) ?? 0) - committedAt);
  }

  stop(): Promise<void> {
    return this.child.stop();
  }
}
