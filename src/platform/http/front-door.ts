import type { FastifyReply, FastifyRequest } from 'fastify';
import { SECURITY_HEADERS } from './answer-headers.js';
import { rateLimitKey } from './client-address.js';
import { answerForStatus } from './error-answer.js';
import type { HttpLog } from './http-log.js';
import { HttpRefusal } from './http-refusal.js';
import { RateLimitExceeded, type RateLimiter, type RateLimitVerdict } from './rate-limit/rate-limiter.js';
import { acceptsJson, checkHead } from './request-rules.js';
import { shortened } from './text-rules.js';

/** One request that was answered, or given up by its caller, for whoever keeps figures. */
export interface FinishedRequest {
  method: string;
  /** The template of the route, `unmatched` when there was none; never the address itself, which anyone can invent. */
  route: string;
  status: number;
  durationMs: number;
  aborted: boolean;
}

export interface FrontDoorSettings {
  limiter: RateLimiter;
  log: HttpLog;
  onFinished?: (finished: FinishedRequest) => void;
}

const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** What every request passes before the router's own hooks, unmatched and malformed ones included. */
export class FrontDoor {
  constructor(private readonly settings: FrontDoorSettings) {}

  /** @throws InvalidRequest, RateLimitExceeded or HttpRefusal when the request goes no further. */
  async enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const route = request.is404 ? null : (request.routeOptions.url ?? null);
    const caller = rateLimitKey([request.ip, request.raw.socket.remoteAddress]);
    this.reportWhenDone(request, reply, route, caller);
    // Set on the raw answer, so that streams and answers that bypass the reply carry them too.
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) reply.raw.setHeader(name, value);
    reply.raw.setHeader('X-Request-Id', request.id);
    this.applyLimit(reply, await this.settings.limiter.admit({ method: request.method, route, caller }));
    checkHead(request.raw);
    if (route?.startsWith('/api/') && !acceptsJson(request.headers.accept)) throw new HttpRefusal(answerForStatus(406));
  }

  private applyLimit(reply: FastifyReply, verdict: RateLimitVerdict | null): void {
    if (!verdict) return;
    reply.raw.setHeader('X-RateLimit-Limit', verdict.limit);
    reply.raw.setHeader('X-RateLimit-Remaining', verdict.remaining);
    reply.raw.setHeader('X-RateLimit-Reset', verdict.resetEpochSeconds);
    if (verdict.retryAfterSeconds !== null) throw new RateLimitExceeded(verdict.limit, verdict.retryAfterSeconds);
  }

  private reportWhenDone(request: FastifyRequest, reply: FastifyReply, route: string | null, caller: string): void {
    const startedAt = performance.now();
    reply.raw.once('close', () => {
      const finished = {
        method: request.method,
        route: route ?? 'unmatched',
        status: reply.raw.statusCode,
        durationMs: Math.round((performance.now() - startedAt) * 100) / 100,
        aborted: !reply.raw.writableFinished,
      };
      this.settings.onFinished?.(finished);
      this.logLine(finished, { requestId: request.id, path: pathForLog(request), caller });
    });
  }

  private logLine(finished: FinishedRequest, more: object): void {
    const fields = { ...finished, ...more };
    if (finished.status >= 500) this.settings.log.warn(fields, 'request failed');
    else if (MUTATING.has(finished.method)) this.settings.log.info(fields, 'request answered');
    else this.settings.log.debug(fields, 'request answered');
  }
}

/** Without the query: callers put keys and tokens there. */
function pathForLog(request: FastifyRequest): string {
  return shortened(request.raw.url?.split('?', 1)[0] ?? '', 200);
}
