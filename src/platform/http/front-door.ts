import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../app-error.js';
import { SECURITY_HEADERS } from './answer-headers.js';
import { type AuditEntry, entryOf, isMutating, outcomeOf } from './audit/audit-entry.js';
import type { Gatekeeper } from './auth/gatekeeper.js';
import type { Identity } from './auth/authenticator.js';
import { rateLimitKey } from './client-address.js';
import { answerForStatus } from './error-answer.js';
import type { HttpLog } from './http-log.js';
import { HttpRefusal } from './http-refusal.js';
import {
  type PolicyState,
  RateLimitExceeded,
  type RateLimiter,
  type RateLimitVerdict,
} from './rate-limit/rate-limiter.js';
import { acceptsJson, checkHead } from './request-rules.js';
import { shortened } from './text-rules.js';

const ON_EVERY_ANSWER = Object.entries(SECURITY_HEADERS);

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
  gatekeeper: Gatekeeper;
  log: HttpLog;
  /** Told of mutating requests that had no effect, or none that was written down with it. */
  onAttempt?: (entry: AuditEntry) => void;
  onFinished?: (finished: FinishedRequest) => void;
}

type Identified =
  | { readonly identity: Identity; readonly keyId: string | null; readonly refusal: null }
  | { readonly identity: null; readonly keyId: null; readonly refusal: Error };

/** What every request passes before the router's own hooks, unmatched and malformed ones included. */
export class FrontDoor {
  constructor(private readonly settings: FrontDoorSettings) {}

  /** @throws AppError or HttpRefusal when the request goes no further. */
  async enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const route = request.is404 ? null : (request.routeOptions.url ?? null);
    const address = rateLimitKey([request.ip, request.raw.socket.remoteAddress]);
    this.reportWhenDone(request, reply, route, address);
    // Set on the raw answer, so that streams and answers that bypass the reply carry them too.
    for (const [name, value] of ON_EVERY_ANSWER) reply.raw.setHeader(name, value);
    reply.raw.setHeader('X-Request-Id', request.id);
    const identified = await this.identify(request, address);
    // While keys cannot be looked up, nothing else can: the store of the limits is not waited for as well.
    if (identified.refusal !== null && !(identified.refusal instanceof AppError)) throw identified.refusal;
    const caller = identified.keyId === null ? address : `key:${identified.keyId}`;
    this.applyLimit(reply, await this.settings.limiter.admit({ method: request.method, route, caller }));
    checkHead(request.raw);
    if (identified.refusal !== null) throw identified.refusal;
    this.settings.gatekeeper.permit(identified.identity, request);
    if (route?.startsWith('/api/') && !acceptsJson(request.headers.accept)) throw new HttpRefusal(answerForStatus(406));
  }

  /** A request that shows no good key is still counted, for its address, before it is refused. */
  private async identify(request: FastifyRequest, address: string): Promise<Identified> {
    try {
      const identity = await this.settings.gatekeeper.identify(request, address);
      request.caller = identity.caller;
      request.keyId = identity.keyId;
      return { identity, keyId: identity.keyId, refusal: null };
    } catch (refusal) {
      return { identity: null, keyId: null, refusal: refusal as Error };
    }
  }

  private applyLimit(reply: FastifyReply, verdict: RateLimitVerdict | null): void {
    if (!verdict) return;
    reply.raw.setHeader('X-RateLimit-Limit', verdict.limit);
    reply.raw.setHeader('X-RateLimit-Remaining', verdict.remaining);
    reply.raw.setHeader('X-RateLimit-Reset', verdict.resetEpochSeconds);
    reply.raw.setHeader('RateLimit-Policy', verdict.policies.map(policyOf).join(', '));
    reply.raw.setHeader('RateLimit', verdict.policies.map(stateOf).join(', '));
    if (verdict.retryAfterSeconds !== null) throw new RateLimitExceeded(verdict.limit, verdict.retryAfterSeconds);
  }

  private reportWhenDone(request: FastifyRequest, reply: FastifyReply, route: string | null, address: string): void {
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
      this.noteAttempt(request, finished);
      this.logLine(finished, {
        requestId: request.id,
        path: pathForLog(request),
        caller: address,
        ...(request.keyId && { keyId: request.keyId }),
      });
    });
  }

  /** What a limit refuses is counted and not written down; else a flood of requests would be one of rows. */
  private noteAttempt(request: FastifyRequest, { route, status, aborted }: FinishedRequest): void {
    if (aborted || route === 'unmatched' || status === 429) return;
    if (!isMutating(request) || request.audit?.isWritten === true) return;
    const errorCode = request.errorCode ?? null;
    this.settings.onAttempt?.(entryOf(request, { at: new Date(), outcome: outcomeOf(status), status, errorCode }));
  }

  private logLine(finished: FinishedRequest, more: object): void {
    const fields = { ...finished, ...more };
    if (finished.status >= 500) this.settings.log.warn(fields, 'request failed');
    else if (isMutating(finished)) this.settings.log.info(fields, 'request answered');
    else this.settings.log.debug(fields, 'request answered');
  }
}

// Structured fields of draft-ietf-httpapi-ratelimit-headers.
function policyOf({ name, limit, windowSeconds }: PolicyState): string {
  return `"${name}";q=${limit};w=${windowSeconds}`;
}

function stateOf({ name, remaining, resetSeconds }: PolicyState): string {
  return `"${name}";r=${remaining};t=${resetSeconds}`;
}

/** Without the query: callers put keys and tokens there. */
function pathForLog(request: FastifyRequest): string {
  return shortened(request.raw.url?.split('?', 1)[0] ?? '', 200);
}
