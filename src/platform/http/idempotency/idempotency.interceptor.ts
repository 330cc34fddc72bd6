import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { catchError, finalize, from, mergeMap, type Observable, of } from 'rxjs';
import { InvalidRequest } from '../../app-error.js';
import { callerOf } from '../caller.js';
import { pathOf } from '../route-table.js';
import { POISON } from '../text-rules.js';
import { Answering } from './answering.js';
import { fingerprintOf } from './fingerprint.js';
import { type Claim, Idempotency } from './idempotency.js';
import { AnsweredMeanwhile, RequestInFlight } from './idempotency.errors.js';

const VISIBLE_ASCII = /^[\x21-\x7e]{1,255}$/;

/** A request with an Idempotency-Key takes effect once, however often it comes; each time it is answered the same. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly idempotency: Idempotency) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const claim = claimOf(request);
    if (claim === null) return next.handle();
    const name = `${claim.teamId} ${claim.idempotencyKey}`;
    // A second sender need not come as far as the database.
    const { serving } = this.idempotency;
    if (serving.has(name)) throw new RequestInFlight();
    serving.add(name);
    try {
      const replayed = await this.replay(claim, reply);
      const answer = replayed === null ? this.serve(claim, request, reply, next) : of(replayed);
      return answer.pipe(finalize(() => serving.delete(name)));
    } catch (error) {
      serving.delete(name);
      throw error;
    }
  }

  private serve(claim: Claim, request: FastifyRequest, reply: FastifyReply, next: CallHandler): Observable<unknown> {
    const answering = new Answering({ claim, idempotency: this.idempotency }, reply);
    request.answering = answering;
    return next.handle().pipe(
      mergeMap((body) => (answering.isProvisional ? from(this.settle(claim, body, reply)) : of(body))),
      catchError(async (error: unknown) => {
        if (!(error instanceof AnsweredMeanwhile)) throw error;
        const other = await this.replay(claim, reply);
        if (other === null) throw new RequestInFlight();
        return other;
      }),
    );
  }

  private async settle(claim: Claim, body: unknown, reply: FastifyReply): Promise<unknown> {
    if (await this.idempotency.settle(claim, JSON.stringify(body))) return body;
    return (await this.replay(claim, reply)) ?? body;
  }

  private async replay(claim: Claim, reply: FastifyReply): Promise<string | null> {
    const answer = await this.idempotency.find(claim);
    if (answer === null) return null;
    reply.status(answer.status).header('Idempotency-Replayed', 'true').type('application/json; charset=utf-8');
    return answer.text;
  }
}

function claimOf(request: FastifyRequest): Claim | null {
  const idempotencyKey = request.headers['idempotency-key'];
  if (idempotencyKey === undefined) return null;
  if (typeof idempotencyKey !== 'string' || !VISIBLE_ASCII.test(idempotencyKey) || POISON.has(idempotencyKey))
    throw new InvalidRequest('Idempotency-Key', 'must be given once and be 1 to 255 visible ASCII characters');
  const fingerprint = fingerprintOf(request.method, pathOf(request.url), request.body ?? null);
  return { teamId: callerOf(request).teamId, idempotencyKey, fingerprint };
}
