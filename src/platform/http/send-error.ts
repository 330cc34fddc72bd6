import type { FastifyReply } from 'fastify';
import type { ServerResponse } from 'node:http';
import { type ErrorAnswer, toErrorBody } from './error-body.js';

const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends an error in the documented shape. An error inside a middleware reaches the filter with the bare Node response. */
export function sendError(response: FastifyReply | ServerResponse, answer: ErrorAnswer, requestId: string): void {
  const raw = 'raw' in response ? response.raw : response;
  if (raw.headersSent) {
    // The answer has begun: ending the connection is the only way left to say that it is not whole.
    raw.destroy();
    return;
  }
  const body = toErrorBody(answer, requestId, new Date());
  if ('raw' in response) {
    response.request.errorCode = answer.code;
    response
      .code(answer.status)
      .headers(answer.headers ?? {})
      .type(JSON_TYPE);
    void response.send(body);
  } else {
    response.writeHead(answer.status, { ...answer.headers, 'Content-Type': JSON_TYPE });
    response.end(JSON.stringify(body));
  }
}
