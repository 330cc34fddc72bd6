import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { finalize, Observable } from 'rxjs';
import { Clock } from '../../clock.js';
import { accompany } from '../../database/unit-of-work.js';
import { entryOf, isMutating } from './audit-entry.js';
import { AuditCompanion, AuditTrail } from './audit-trail.js';
import { AuditRepository } from './audit.repository.js';

/** Puts the entry of a mutating request into the transaction of its effect. */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  constructor(
    private readonly audit: AuditRepository,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    if (!isMutating(request)) return next.handle();
    const reply = http.getResponse<FastifyReply>();
    const companion = new AuditCompanion(this.audit, (effect) =>
      entryOf(
        request,
        { at: this.clock.now(), outcome: 'accepted', status: reply.statusCode, errorCode: null },
        effect,
      ),
    );
    request.audit = companion;
    return new Observable((subscriber) => accompany(companion, () => next.handle().subscribe(subscriber))).pipe(
      finalize(() => this.noteIfGone(request, reply, companion)),
    );
  }

  /** The connection is closed already, so nobody else will say what became of the request. */
  private noteIfGone(request: FastifyRequest, reply: FastifyReply, companion: AuditCompanion): void {
    if (!reply.raw.destroyed || companion.isWritten) return;
    this.trail.note(entryOf(request, { at: this.clock.now(), outcome: 'failed', status: null, errorCode: null }));
  }
}
