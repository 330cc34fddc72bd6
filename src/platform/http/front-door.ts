import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../app-error.js';
import { SECURITY_HEADERS } from './answer-headers.js';
import { type AuditEntry, entryOf, isMutating, outcomeOf } from './audit/audit-entry.js';
import type { Gatekeeper } from './auth/gatekeeper.js';
import type { Identity } from './auth/authenticator.js';
import { once, orElse, type Soon } from './at-once.js';
import { placeOf } from './auth/require-scope.js';
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

declare module 'fastify' {
  interface FastifyRequest {
    /** When its answer became one that lasts as long as the caller likes, by `performance.now()`. */
    heldSince?: number;
    /** For how long the answer was held back because the caller wanted it so. */
    heldMs?: number;
  }
}

const ON_EVERY_ANSWER = Object.entries(SECURITY_HEADERS);

/** One request that was answered, or given up by its caller, for whoever keeps figures. */
export interface FinishedRequest {
  method: string;
  /** The template of the route, `unmatched` when there was none; never the address itself, which anyone can invent. */
  route: string;
  status: number;
  durationMs: number;
  /** Of it, what the service took: not for how long a stream lasted, or a caller wanted to wait. */
  servedMs: number;
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
  { readonly identity: Identity; readonly refusal: null } | { readonly identity: null; readonly refusal: Error };

/** What every request passes before the router's own hooks, unmatched and malformed ones included. */
export class FrontDoor {
  constructor(private readonly settings: FrontDoorSettings) {}

  /** At once where all that must be known is in memory. @throws AppError or HttpRefusal when the request goes no further. */
  enter(request: FastifyRequest, reply: FastifyReply): Soon<void> {
    const place = placeOf(request);
    const address = addressOf(request);
    this.reportWhenDone(request, reply, place.route ?? 'unmatched', address);
    // Set on the raw answer, so that streams and answers that bypass the reply carry them too.
    for (const [name, value] of ON_EVERY_ANSWER) reply.raw.setHeader(name, value);
    reply.raw.setHeader('X-Request-Id', request.id);
    return once(this.identify(request, address), ({ identity, refusal }) => {
      // While keys cannot be looked up, nothing else can: the store of the limits is not waited for as well.
      if (refusal !== null && !(refusal instanceof AppError)) throw refusal;
      const keyId = identity?.keyId ?? null;
      const hit = { method: request.method, route: place.route, caller: keyId === null ? address : `key:${keyId}` };
      return once(this.settings.limiter.admit(hit), (verdict) => {
        this.applyLimit(reply, verdict);
        checkHead(request.raw);
        if (refusal !== null) throw refusal;
        this.settings.gatekeeper.permit(identity, place.scope);
        if (place.isBelowApi && !acceptsJson(request.headers.accept)) throw new HttpRefusal(answerForStatus(406));
      });
    });
  }

  /** A request that shows no good key is still counted, for its address, before it is refused. */
  private identify(request: FastifyRequest, address: string): Soon<Identified> {
    return orElse<Identified>(
      () =>
        once(this.settings.gatekeeper.identify(request, address), (identity) => {
          request.caller = identity.caller;
          request.keyId = identity.keyId;
          request.isStillWelcome = () => this.settings.gatekeeper.wouldAdmit(request);
          return { identity, refusal: null };
        }),
      (refusal) => ({ identity: null, refusal: refusal as Error }),
    );
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

  private reportWhenDone(request: FastifyRequest, reply: FastifyReply, route: string, address: string): void {
    const startedAt = performance.now();
    reply.raw.on('close', () => {
      const durationMs = performance.now() - startedAt;
      const finished = {
        method: request.method,
        route,
        status: reply.raw.statusCode,
        durationMs: rounded(durationMs),
        servedMs: rounded(servedOf(request, startedAt, durationMs)),
        aborted: !reply.raw.writableFinished,
      };
      this.settings.onFinished?.(finished);
      if (isMutating(finished)) this.noteAttempt(request, finished);
      this.logLine(request, finished, address);
    });
  }

  /** What a limit refuses is counted and not written down; else a flood of requests would be one of rows. */
  private noteAttempt(request: FastifyRequest, { route, status, aborted }: FinishedRequest): void {
    if (aborted || route === 'unmatched' || status === 429 || request.audit?.isWritten === true) return;
    const errorCode = request.errorCode ?? null;
    this.settings.onAttempt?.(entryOf(request, { at: new Date(), outcome: outcomeOf(status), status, errorCode }));
  }

  private logLine(request: FastifyRequest, finished: FinishedRequest, address: string): void {
    const { log } = this.settings;
    const level = finished.status >= 500 ? 'warn' : isMutating(finished) ? 'info' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    const { servedMs: _, ...shown } = finished;
    const fields = {
      ...shown,
      requestId: request.id,
      path: pathForLog(request),
      caller: address,
      ...(request.keyId && { keyId: request.keyId }),
    };
    log[level](fields, level === 'warn' ? 'request failed' : 'request answered');
  }
}

function addressOf(request: FastifyRequest): string {
  const { ip } = request;
  const { remoteAddress } = request.raw.socket;
  return rateLimitKey(ip === remoteAddress ? [ip] : [ip, remoteAddress]);
}

/** Without the time for which the caller asked to be held: a stream counts until it begins. */
function servedOf({ heldSince, heldMs = 0 }: FastifyRequest, startedAt: number, durationMs: number): number {
  return Math.max(0, (heldSince === undefined ? durationMs : heldSince - startedAt) - heldMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
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
