import { type ArgumentsHost, Catch, type ExceptionFilter, NotFoundException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ServerResponse } from 'node:http';
import type { ErrorAnswer } from './error-body.js';
import { answerFor, answerForStatus } from './error-answer.js';
import type { HttpLog } from './http-log.js';
import { newRequestId } from './request-id.js';
import { sendError } from './send-error.js';
import { pathOf, type RouteTable } from './route-table.js';

/** Gives every error that leaves the service the documented shape, and keeps what is inside inside. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly log: HttpLog,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const answer = this.answer(error, request);
    const requestId = String(request.id ?? newRequestId());
    if (answer.status >= 500) this.report(error, answer, requestId);
    sendError(http.getResponse<FastifyReply | ServerResponse>(), answer, requestId);
  }

  private answer(error: unknown, request: FastifyRequest): ErrorAnswer {
    if (error instanceof NotFoundException && request.is404 === true) return this.answerUnmatched(request);
    return answerFor(error);
  }

  private answerUnmatched(request: FastifyRequest): ErrorAnswer {
    const methods = this.routes.methodsAt(pathOf(request.raw.url ?? '/'));
    if (methods.length === 0 || methods.includes(request.method)) return answerForStatus(404);
    return answerForStatus(405, { headers: { Allow: methods.join(', ') } });
  }

  private report(error: unknown, answer: ErrorAnswer, requestId: string): void {
    const fields = { err: error, requestId, code: answer.code };
    // While the database is away every request fails alike; one warning each is enough.
    if (answer.status === 503) this.log.warn(fields, 'request cannot be served');
    else this.log.error(fields, 'request failed');
  }
}
