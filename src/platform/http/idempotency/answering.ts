import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AnyTx } from '../../database/statement.js';
import type { Claim, Idempotency } from './idempotency.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** There for a request with an Idempotency-Key to an operation that heeds it. */
    answering?: Answering;
  }
}

/** How an operation says, inside the transaction of its effect, what it is going to answer. */
export class Answering {
  /** The answer that was kept is still to be replaced by the one that is given. */
  isProvisional = false;

  constructor(
    private readonly keeper: { readonly claim: Claim; readonly idempotency: Idempotency } | null,
    private readonly reply: FastifyReply,
  ) {}

  /** Does nothing for a request without an Idempotency-Key. @param inFlightMs how long the caller waits before it is answered */
  async keep(body: object, tx: AnyTx, inFlightMs = 0): Promise<void> {
    if (this.keeper === null) return;
    const { claim, idempotency } = this.keeper;
    await idempotency.keep(claim, { status: this.reply.statusCode, text: JSON.stringify(body) }, inFlightMs, tx);
    this.isProvisional = inFlightMs > 0;
  }
}

/** The parameter of an operation that is marked `@Idempotent()`. */
export const CurrentAnswering = createParamDecorator((_: unknown, context: ExecutionContext): Answering => {
  const http = context.switchToHttp();
  return http.getRequest<FastifyRequest>().answering ?? new Answering(null, http.getResponse<FastifyReply>());
});
