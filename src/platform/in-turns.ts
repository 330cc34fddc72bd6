import { setImmediate as nextTurn } from 'node:timers/promises';

/** What one turn of the event loop takes on of work on many small items; a few milliseconds at most. */
const ITEMS_A_TURN = 1000;

/** Works on many items in pieces, so that whoever else waits for the process has a turn between two of them. */
export async function inTurns<T>(items: readonly T[], work: (some: readonly T[]) => void): Promise<void> {
  for (let from = 0; from < items.length; from += ITEMS_A_TURN) {
    if (from > 0) await nextTurn();
    work(items.slice(from, from + ITEMS_A_TURN));
  }
}
