import { randomFillSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

const ID_BYTES = 9;
/** Asking the system for chance costs the same for one id as for many. */
const chance = Buffer.alloc(ID_BYTES * 512);
let used = chance.length;

export function newRequestId(): string {
  if (used === chance.length) {
    randomFillSync(chance);
    used = 0;
  }
  const from = used;
  used += ID_BYTES;
  return `req-${chance.toString('base64url', from, used)}`;
}

/** The caller's own id when it is safe to repeat in a header and in a log line, a new one otherwise. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : newRequestId();
}
