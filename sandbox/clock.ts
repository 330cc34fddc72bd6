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
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.sink(0);
  }

  private rise(from: number): void {
    for (let child = from; child > 0;) {
      const parent = (child - 1) >> 1;
      if (this.before(parent, child)) return;
      this.swap(parent, child);
      child = parent;
    }
  }

  private sink(from: number): void {
    for (let parent = from; ;) {
      const left = 2 * parent + 1;
      if (left >= this.heap.length) return;
      const right = left + 1;
      const child = right < this.heap.length && this.before(right, left) ? right : left;
      if (this.before(parent, child)) return;
      this.swap(parent, child);
      parent = child;
    }
  }

  private before(a: number, b: number): boolean {
    const left = this.heap[a]!;
    const right = this.heap[b]!;
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  private swap(a: number, b: number): void {
    const kept = this.heap[a]!;
    this.heap[a] = this.heap[b]!;
    this.heap[b] = kept;
  }
}
