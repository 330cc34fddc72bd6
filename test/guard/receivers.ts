import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Certificate } from './certificates.js';

/** A server on 127.0.0.1 that answers each request with whatever bytes a test wants, and counts what reaches it. */
export interface Receiver {
  port: number;
  connections: number;
  /** Every request, head and body, as it came over the wire. */
  requests: string[];
  close(): Promise<void>;
}

export type Answer = (socket: Socket, request: string) => void;

export async function startReceiver(answer: Answer, certificate?: Certificate): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const onConnection = (socket: Socket): void => {
    receiver.connections += 1;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    readRequests(socket, (request) => {
      receiver.requests.push(request);
      answer(socket, request);
    });
  };
  const server = certificate ? createTlsServer(certificate, onConnection) : createServer(onConnection);
  server.on('tlsClientError', () => undefined);
  await listen(server);
  const receiver: Receiver = {
    port: (server.address() as AddressInfo).port,
    connections: 0,
    requests: [],
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return receiver;
}

/** A whole answer with a length, after which the connection may serve again. */
export function respond(status: string, body = '', headers: readonly string[] = []): Answer {
  const head = [`HTTP/1.1 ${status}`, `content-length: ${Buffer.byteLength(body)}`, ...headers];
  return (socket) => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Calls `write` again and again, as fast as the other side reads or every `everyMs`, until the connection ends. */
export function keepWriting(socket: Socket, chunk: string, everyMs?: number): void {
  if (everyMs !== undefined) {
    const timer = setInterval(() => socket.write(chunk), everyMs);
    socket.on('close', () => clearInterval(timer));
    return;
  }
  const pump = (): void => {
    if (socket.destroyed) return;
    if (socket.write(chunk)) setImmediate(pump);
    else socket.once('drain', pump);
  };
  pump();
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function readRequests(socket: Socket, onRequest: (request: string) => void): void {
  let buffered = '';
  // One character a byte, so that content-length counts characters.
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    buffered += chunk;
    for (;;) {
      const headEnd = buffered.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const bodyLength = Number(/\r\ncontent-length: (\d+)/i.exec(buffered.slice(0, headEnd))?.[1] ?? 0);
      if (buffered.length < headEnd + 4 + bodyLength) return;
      const request = buffered.slice(0, headEnd + 4 + bodyLength);
      buffered = buffered.slice(request.length);
      onRequest(Buffer.from(request, 'latin1').toString('utf8'));
    }
  });
}
