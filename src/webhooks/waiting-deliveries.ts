import { run } from '../platform/database/statement.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import { CANCEL, MAKE_DUE } from './delivery.statements.js';

interface Place {
  readonly createdAt: Date | '-infinity';
  readonly sequence: number;
  readonly id: string;
}

const BEGINNING: Place = { createdAt: '-infinity', sequence: 0, id: '' };

/** What waits for a later try is due now; in parts, of which none takes the database long, and all of them in one transaction. */
export async function makePendingDue(endpointId: string, now: Date, tx: Tx): Promise<void> {
  let last: Place | undefined = BEGINNING;
  while (last !== undefined) {
    last = await makePartDue(endpointId, now, last, tx);
  }
}

async function makePartDue(endpointId: string, now: Date, after: Place, tx: Tx): Promise<Place | undefined> {
  const values = [endpointId, now, after.createdAt, after.sequence, after.id];
  const { rows } = await run<Place>(tx, { name: 'webhooks-make-due', text: MAKE_DUE }, values);
  return rows[0];
}

/** As {@link makePendingDue}, for what is never to be sent. */
export async function cancelPending(endpointId: string, tx: Tx): Promise<void> {
  let count = 1;
  while (count > 0) ({ count } = await run(tx, { name: 'webhooks-cancel', text: CANCEL }, [endpointId]));
}
