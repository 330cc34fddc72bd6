import { Batcher } from '../batcher.js';
import type { AnyTx, StatementTx } from './statement.js';

/** Something that can be done for many at once. It is known by its identity: make it once. */
export interface Joint<I, O> {
  /** @returns one result for each item, in their order */
  run(items: readonly I[], tx: AnyTx): Promise<readonly O[]>;
}

type Batchers = Map<object, Batcher<never, unknown>>;

const shared = new WeakMap<AnyTx, Batchers>();

/** From now on, what the works of this transaction hand in within one turn of the event loop is done together. */
export function shareAmongWorks(tx: StatementTx): void {
  shared.set(tx, new Map());
}

/** At once in a transaction of one work, together with what others hand in where several share it. */
export async function inOneGo<I, O>(tx: AnyTx, joint: Joint<I, O>, item: I): Promise<O> {
  const batchers = shared.get(tx);
  if (batchers !== undefined) return batcherOf(batchers, joint, tx).add(item);
  const [result] = await joint.run([item], tx);
  return result as O;
}

function batcherOf<I, O>(batchers: Batchers, joint: Joint<I, O>, tx: AnyTx): Batcher<I, O> {
  const known = batchers.get(joint) as Batcher<I, O> | undefined;
  if (known !== undefined) return known;
  const batcher = new Batcher((items: readonly I[]) => joint.run(items, tx), Infinity);
  batchers.set(joint, batcher as unknown as Batcher<never, unknown>);
  return batcher;
}
