// A receiver in a process of its own: answers 204, and tells its parent in batches what came and when its first bytes did.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Arrival {
  readonly id: string;
  /** Milliseconds since the epoch, with fractions. */
  readonly at: number;
}

const TELL_EVERY_MS = 50;

let arrived: Arrival[] = [];
const server = createServer((request, response) => {
  arrived.push({ id: String(request.headers['webhook-id']), at: performance.timeOrigin + performance.now() });
  request.resume();
  response.writeHead(204).end();
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
setInterval(() => {
  if (arrived.length > 0) process.send?.({ arrived });
  arrived = [];
}, TELL_EVERY_MS);
process.once('disconnect', () => process.exit(0));
