/** Of the queue's integer column, and a time in seconds that it holds until 2038. */
const LATEST_SECONDS = 2 ** 31 - 1;

/** The queue's priority of work with a deadline: the earlier first, and before all work that has none. */
export function priorityOf(deadline: Date | null): number {
  if (deadline === null) return 0;
  return Math.max(1, LATEST_SECONDS - Math.floor(deadline.getTime() / 1000));
}
