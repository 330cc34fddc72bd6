import { randomFillSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

const ID_BYTES = 9;
/** Randomness for many ids at once: each call into the generator costs as much as a good part of a request. */
const pool = Buffer.alloc(ID_BYTES * 256);
let used = pool.length;

export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return `req-${pool.toString('base64url', used - ID_BYTES, used)}`;
}

/** The caller's own id when it is safe to repeat in a header and in a log line, a new one otherwise. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : newRequestId();
}
