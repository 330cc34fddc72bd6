export interface CallEntry {
  /** Epoch ms of virtual time, and of real time. */
  at: number;
  realAt: number;
  endpoint: string;
  id: string | null;
  name: string | null;
  /** `ok`, a reason, or `not-executed`; what the caller was told may differ when `fault` is set. */
  outcome: string;
  fault: string | null;
}

interface Counter {
  count: number;
  executed: number;
  refused: number;
  faults: Record<string, number>;
}

const LOGGED = new Set(['create', 'delete', 'start', 'stop', 'restart', 'migrate']);

/** What the upstream was asked. Calls that change something are kept one by one, reads are only counted. */
export class CallLog {
  private counters = new Map<string, Counter>();
  private entries: CallEntry[] = [];
  private second = 0;
  private inSecond = 0;
  private peakPerSecond = 0;

  arrived(endpoint: string, fault: string | null): void {
    const counter = this.counter(endpoint);
    counter.count += 1;
    if (fault !== null) counter.faults[fault] = (counter.faults[fault] ?? 0) + 1;
    this.countSecond();
  }

  finished(entry: Omit<CallEntry, 'realAt'>): void {
    const counter = this.counter(entry.endpoint);
    if (entry.outcome === 'ok') counter.executed += 1;
    else counter.refused += 1;
    if (LOGGED.has(entry.endpoint)) this.entries.push({ ...entry, realAt: Date.now() });
  }

  report(endpoint?: string): object {
    const counters = Object.fromEntries(this.counters);
    return {
      counts: Object.fromEntries([...this.counters].map(([name, { count }]) => [name, count])),
      total: [...this.counters.values()].reduce((sum, { count }) => sum + count, 0),
      peakPerSecond: this.peakPerSecond,
      details: counters,
      log: endpoint === undefined ? this.entries : this.entries.filter((entry) => entry.endpoint === endpoint),
    };
  }

  reset(): void {
    this.counters = new Map();
    this.entries = [];
    this.peakPerSecond = 0;
  }

  private countSecond(): void {
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.inSecond = 0;
    }
    this.inSecond += 1;
    this.peakPerSecond = Math.max(this.peakPerSecond, this.inSecond);
  }

  private counter(endpoint: string): Counter {
    let counter = this.counters.get(endpoint);
    if (counter === undefined)
      this.counters.set(endpoint, (counter = { count: 0, executed: 0, refused: 0, faults: {} }));
    return counter;
  }
}
