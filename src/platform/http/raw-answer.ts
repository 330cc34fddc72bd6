import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { answerForStatus } from './error-answer.js';
import { type ErrorAnswer, toErrorBody } from './error-body.js';
import { SECURITY_HEADERS } from './answer-headers.js';
import { newRequestId, requestIdOf } from './request-id.js';

const STATUS_OF_PARSER_ERROR: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

/** Answers what never becomes a request for the router: bytes that are not HTTP, and requests that do not arrive in time. */
export class ParserErrors {
  private readonly latest = new WeakMap<object, Exchange>();

  watch(server: Server): void {
    server.prependListener('request', (request, response) => this.latest.set(request.socket, { request, response }));
    // Without a listener Node closes the connection and says nothing.
    server.on('connect', (_request, socket) => socket.end(bytesOf(answerForStatus(405), { Allow: '' })));
    // Without a listener Node answers 417 with an empty body.
    server.on('checkExpectation', (request, response) => {
      const requestId = requestIdOf(request);
      const { headers, body } = rawAnswer(answerForStatus(417), requestId);
      response.writeHead(417, { ...headers, Connection: 'close' }).end(body);
    });
  }

  answer(error: Error & { code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const exchange = this.latest.get(socket);
    if (exchange && !exchange.response.writableFinished && exchange.request.complete) {
      closeAfter(exchange.response, socket);
      return;
    }
    // Bytes written into an answer that has begun would be taken for a part of it.
    const hasBegun = exchange && exchange.response.headersSent && !exchange.response.writableFinished;
    if (socket.writable && !hasBegun) socket.write(responseBytes(error.code));
    socket.destroy();
  }
}

/** What is broken came behind a whole request: that one is still answered, and nothing more is read. */
function closeAfter(response: ServerResponse, socket: Socket): void {
  socket.pause();
  if (!response.headersSent) response.setHeader('Connection', 'close');
  response.once('close', () => socket.destroySoon());
}

function responseBytes(code: string | undefined): string {
  const status = STATUS_OF_PARSER_ERROR[code ?? ''] ?? 400;
  const reason = 'This is not a well-formed HTTP request';
  const details = { field: 'request', reason, failures: [{ field: 'request', reason }] };
  return bytesOf(answerForStatus(status, status === 400 ? { details } : {}));
}

/** A whole answer for a connection that ends with it. */
function bytesOf(answer: ErrorAnswer, more: Record<string, string> = {}): string {
  const { headers, body } = rawAnswer(answer, newRequestId());
  const lines = Object.entries({ ...headers, ...more, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return [`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`, ...lines, '', body].join('\r\n');
}

function rawAnswer(answer: ErrorAnswer, requestId: string): { headers: Record<string, string>; body: string } {
  const body = JSON.stringify(toErrorBody(answer, requestId, new Date()));
  const headers = {
    ...SECURITY_HEADERS,
    'X-Request-Id': requestId,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
  };
  return { headers, body };
}
