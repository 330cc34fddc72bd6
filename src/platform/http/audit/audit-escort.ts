import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Clock } from '../../clock.js';
import { accompany } from '../../database/unit-of-work.js';
import { entryOf, isMutating } from './audit-entry.js';
import { AuditCompanion, AuditTrail } from './audit-trail.js';
import { AuditRepository } from './audit.repository.js';

/** Puts the entry of a mutating request into the transaction of its effect. */
@Injectable()
export class AuditEscort {
  constructor(
    private readonly audit: AuditRepository,
    private readonly trail: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** By hooks and not by an interceptor, which every request would pass, reads included. */
  joinRequestsOf(instance: FastifyInstance): void {
    instance.addHook('preHandler', (request, reply, done) => {
      if (isMutating(request)) accompany(this.companionOf(request, reply), done);
      else done();
    });
    instance.addHook('onSend', (request, reply, payload, done) => {
      if (isMutating(request)) this.noteIfGone(request, reply);
      done(null, payload);
    });
  }

  private companionOf(request: FastifyRequest, reply: FastifyReply): AuditCompanion {
    const companion = new AuditCompanion(this.audit, (effect) =>
      entryOf(
        request,
        { at: this.clock.now(), outcome: 'accepted', status: reply.statusCode, errorCode: null },
        effect,
      ),
    );
    request.audit = companion;
    return companion;
  }

  /** The connection is closed already, so nobody else will say what became of the request. */
  private noteIfGone(request: FastifyRequest, reply: FastifyReply): void {
    if (!reply.raw.destroyed || request.audit === undefined || request.audit.isWritten) return;
    this.trail.note(entryOf(request, { at: this.clock.now(), outcome: 'failed', status: null, errorCode: null }));
  }
}
