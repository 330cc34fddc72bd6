/**
 * A place in the log. Events are ordered by the transaction that wrote them and then by position: positions alone are handed
 * out before the commit, so that a reader who had passed one would miss an event that lands late under a lower one.
 */
export interface EventCursor {
  readonly txId: bigint;
  readonly position: bigint;
}

const LARGEST = 2n ** 63n - 1n;

/** Opaque to clients: letters, digits, `-` and `_`. */
export function encodeCursor({ txId, position }: EventCursor): string {
  return Buffer.from(`1.${txId}.${position}`, 'latin1').toString('base64url');
}

/** Null for anything that `encodeCursor` has not made. */
export function parseCursor(text: string): EventCursor | null {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) return null;
  const [, tx, place] = /^1\.(\d{1,19})\.(\d{1,19})$/.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? [];
  if (tx === undefined || place === undefined) return null;
  const cursor = { txId: BigInt(tx), position: BigInt(place) };
  return cursor.txId <= LARGEST && cursor.position <= LARGEST ? cursor : null;
}

export function isAfter(a: EventCursor, b: EventCursor): boolean {
  return a.txId === b.txId ? a.position > b.position : a.txId > b.txId;
}
