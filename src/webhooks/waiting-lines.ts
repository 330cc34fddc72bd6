import { groupBy } from '../platform/group-by.js';
import type { DueDelivery } from './delivery.repository.js';
import { LINE_DEPTH, LINES } from './delivery.statements.js';

/** One instance's events that are due, in their order. */
export interface Line {
  readonly instanceId: string;
  readonly deliveries: readonly DueDelivery[];
}

/** What waits at one receiver, an instance's line at a time: no instance is sent from twice at once. */
export class WaitingLines {
  private ready: Line[] = [];
  /** Instances whose line is being sent, until what came of it is written. */
  private readonly busy = new Set<string>();
  private isSkipping = false;
  /** There may be more in the database than was there at the last look. */
  mayHaveMore = true;
  /** Where the next look begins. */
  resumeAfter = '';

  get atOnce(): number {
    return this.busy.size;
  }

  get isEmpty(): boolean {
    return this.ready.length === 0;
  }

  /** To be handed to `take` with what a look has found. */
  beginLook(): ReadonlySet<string> {
    this.mayHaveMore = false;
    return new Set(this.busy);
  }

  /** A line that was being sent when the look began is left out: its first events may be done by now. */
  take(due: readonly DueDelivery[], busyBefore: ReadonlySet<string>): void {
    const { lines, parked } = toLines(due);
    const taken = new Set<string>();
    for (const line of [...lines, ...parked]) {
      const isTaken = busyBefore.has(line.instanceId) || this.busy.has(line.instanceId) || taken.has(line.instanceId);
      if (isTaken) {
        this.isSkipping = true;
        continue;
      }
      taken.add(line.instanceId);
      this.ready.push(line);
    }
    const isCut = lines.length >= LINES;
    // After the last instance it goes round to the first, so that nobody far back in the order waits for ever.
    if (isCut || this.resumeAfter !== '') this.mayHaveMore = true;
    this.resumeAfter = isCut ? (lines.at(-1)?.instanceId ?? '') : '';
  }

  begin(): Line | undefined {
    const line = this.ready.shift();
    if (line !== undefined) this.busy.add(line.instanceId);
    return line;
  }

  /** @param isWhole all of it was sent, so that behind a line of full depth there may be more. */
  end(line: Line, isWhole: boolean): void {
    if (this.isSkipping || (isWhole && line.deliveries.length >= LINE_DEPTH)) this.mayHaveMore = true;
    this.busy.delete(line.instanceId);
    this.isSkipping = false;
  }
}

function toLines(due: readonly DueDelivery[]): { lines: Line[]; parked: Line[] } {
  const [waiting, parked] = [due.filter((one) => !one.parked), due.filter((one) => one.parked)];
  const byInstance = groupBy(waiting, ({ instanceId }) => instanceId);
  return {
    lines: [...byInstance].map(([instanceId, deliveries]) => ({ instanceId, deliveries })),
    parked: parked.map((delivery) => ({ instanceId: delivery.instanceId, deliveries: [delivery] })),
  };
}
