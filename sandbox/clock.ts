/** Virtual time in epoch milliseconds: real time, stretched by a speed and moved by jumps. It never runs backwards. */
export class VirtualClock {
  private readonly realNow: () => number;
  private realBase: number;
  private base: number;
  private factor = 1;

  constructor(realNow: () => number = Date.now) {
    this.realNow = realNow;
    this.realBase = realNow();
    this.base = this.realBase;
  }

  get speed(): number {
    return this.factor;
  }

  now(): number {
    return Math.floor(this.base + Math.max(0, this.realNow() - this.realBase) * this.factor);
  }

  advance(seconds: number): void {
    this.rebase();
    this.base += seconds * 1000;
  }

  setSpeed(speed: number): void {
    this.rebase();
    this.factor = speed;
  }

  private rebase(): void {
    this.base = this.now();
    this.realBase = this.realNow();
  }
}

interface Entry {
  at: number;
  order: number;
  fire: (at: number) => void;
}

/** What is still to happen, soonest first. Nothing here owns a timer: whoever reads the world runs what is due. */
export class Agenda {
  private readonly heap: Entry[] = [];
  private order = 0;

  at(time: number, fire: (at: number) => void): void {
    this.heap.push({ at: time, order: this.order++, fire });
    this.rise(this.heap.length - 1);
  }

  /** Each entry is told the moment it was due, so a jump of an hour leaves the same history as an hour of waiting. */
  runDue(now: number): void {
    for (let next = this.heap[0]; next !== undefined && next.at <= now; next = this.heap[0]) {
      this.removeFirst();
      next.fire(next.at);
    }
  }

  private removeFirst(): void {
    const last = this.heap.pop();
    if (last !== undefined && this.heap.length > 0) this.sink(last);
  }

  private rise(from: number): void {
    for (let child = from; child > 0;) {
      const parent = (child - 1) >> 1;
      const [above, below] = [this.heap[parent], this.heap[child]];
      if (above === undefined || below === undefined || isBefore(above, below)) return;
      this.heap[parent] = below;
      this.heap[child] = above;
      child = parent;
    }
  }

  /** Puts an entry in at the top and lets it find its place. */
  private sink(entry: Entry): void {
    let hole = 0;
    for (let next = this.sooner(1, 2); next !== undefined; next = this.sooner(2 * hole + 1, 2 * hole + 2)) {
      if (isBefore(entry, next.entry)) break;
      this.heap[hole] = next.entry;
      hole = next.index;
    }
    this.heap[hole] = entry;
  }

  private sooner(left: number, right: number): { index: number; entry: Entry } | undefined {
    const [a, b] = [this.heap[left], this.heap[right]];
    if (a === undefined) return undefined;
    return b !== undefined && isBefore(b, a) ? { index: right, entry: b } : { index: left, entry: a };
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
