import type { AnyTx, StatementTx } from './statement.js';

/** Something that can be done for many at once. It is known by its identity: make it once. */
export interface Joint<I, O> {
  /** @returns one result for each item, in their order */
  run(items: readonly I[], tx: AnyTx): Promise<readonly O[]>;
}

interface Waiting {
  readonly item: unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

const shared = new WeakMap<AnyTx, HandedIn>();

/** From now on, what the works of this transaction hand in within one turn of the event loop is done together. */
export function shareAmongWorks(tx: StatementTx): void {
  shared.set(tx, new HandedIn(tx));
}

/** At once in a transaction of one work, together with what others hand in where several share it. */
export async function inOneGo<I, O>(tx: AnyTx, joint: Joint<I, O>, item: I): Promise<O> {
  const handedIn = shared.get(tx);
  if (handedIn !== undefined) return handedIn.add(joint, item);
  const [result] = await joint.run([item], tx);
  return result as O;
}

/** Kinds are begun in the order in which each was first handed in; that is no promise of the order in which they reach the server. */
class HandedIn {
  private waiting = new Map<Joint<never, unknown>, Waiting[]>();

  constructor(private readonly tx: StatementTx) {}

  add<I, O>(joint: Joint<I, O>, item: I): Promise<O> {
    if (this.waiting.size === 0) setImmediate(() => this.doAll());
    return new Promise<O>((resolve, reject) => {
      const same = this.waiting.get(joint);
      const one = { item, resolve, reject };
      if (same === undefined) this.waiting.set(joint, [one]);
      else same.push(one);
    });
  }

  private doAll(): void {
    const { waiting } = this;
    this.waiting = new Map();
    for (const [joint, all] of waiting) void this.do(joint, all);
  }

  private async do(joint: Joint<never, unknown>, all: readonly Waiting[]): Promise<void> {
    try {
      const results = await joint.run(all.map(({ item }) => item) as never[], this.tx);
      all.forEach(({ resolve }, index) => resolve(results[index] as never));
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }
}
