import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { AddressGuard } from '../../src/webhooks/address-guard.js';
import { TcpDialler } from '../../src/webhooks/dialler.js';
import { GuardedHttp } from '../../src/webhooks/guarded-http.js';
import {
  attackByRebinding,
  attackCanaries,
  attackersZone,
  CANARY_ADDRESSES,
  CANARY_PORTS,
  NAMED_RECEIVER_PORT,
  POLICY,
  PUBLIC_ADDRESS,
} from './attacks.js';

/** Runs in a network namespace whose only interface is loopback with the canaries' addresses; prints what the canaries saw. */
export interface NamespaceReport {
  canaries: number;
  /** Connections that a plain socket could make: shows that the canaries do listen. */
  reachableUnguarded: number;
  attempts: number;
  hits: string[];
  publicHits: number;
  redirectStatus: number | null;
}

const hits: string[] = [];
let publicHits = 0;

function listen(address: string, port: number, onConnection: () => void, answer = ''): Promise<Server> {
  const server = createServer((socket) => {
    onConnection();
    socket.on('error', () => socket.destroy());
    socket.end(answer);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, address, () => resolve(server));
  });
}

function canConnect(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

const canaries = CANARY_ADDRESSES.flatMap((address) => CANARY_PORTS.map((port) => ({ address, port })));
const servers = await Promise.all(
  canaries.map(({ address, port }) => listen(address, port, () => hits.push(`${address} ${port}`))),
);
servers.push(await listen(PUBLIC_ADDRESS, 8080, () => (publicHits += 1)));
const redirect = 'HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:8080/\r\ncontent-length: 0\r\n\r\n';
servers.push(await listen('127.0.0.1', NAMED_RECEIVER_PORT, () => undefined, redirect));

const reachable = await Promise.all(canaries.map(({ address, port }) => canConnect(address, port)));
await new Promise((resolve) => setTimeout(resolve, 50));
hits.length = 0;

const http = new GuardedHttp(new AddressGuard(POLICY, attackersZone()), new TcpDialler(), { connectTimeoutMs: 500 });
const attempts = await attackCanaries(http);
await attackByRebinding(http);
const redirected = await http.post(`http://127.0.0.1:${NAMED_RECEIVER_PORT}/`, { body: '{}' });
await new Promise((resolve) => setTimeout(resolve, 50));
await http.close();
for (const server of servers) server.close();

const report: NamespaceReport = {
  canaries: canaries.length,
  reachableUnguarded: reachable.filter(Boolean).length,
  attempts,
  hits,
  publicHits,
  redirectStatus: redirected.kind === 'answered' ? redirected.status : null,
};
process.stdout.write(JSON.stringify(report));
