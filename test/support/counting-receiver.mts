// A receiver in a process of its own: answers 204 and tells its parent in batches what came and when.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

let arrived: { id: string; at: number }[] = [];

const server = createServer((request, response) => {
  arrived.push({ id: String(request.headers['webhook-id']), at: Date.now() });
  request.resume();
  response.writeHead(204).end();
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
setInterval(() => {
  if (arrived.length > 0) process.send?.({ arrived });
  arrived = [];
}, 20);
process.once('disconnect', () => process.exit(0));
