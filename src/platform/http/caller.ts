import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** How many instances may be there at once that were ordered with the keys of one family. */
export interface OrderCap {
  readonly family: string;
  readonly maxInstances: number;
}

/** On whose behalf a request acts. */
export interface Caller {
  readonly teamId: string;
  /** For the log: the key, or `anonymous` while none is configured. */
  readonly actor: string;
  /** Absent: as many as it likes. */
  readonly cap?: OrderCap;
}

export const ANONYMOUS: Caller = { teamId: 'default', actor: 'anonymous' };

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the front door before the body is read. */
    caller?: Caller;
    /** Null for a caller without a key. */
    keyId?: string | null;
    /** Asked again while an answer lasts: the key may have been revoked, or have expired. */
    isStillWelcome?: () => Promise<boolean>;
  }
}

export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined) throw new Error('The request did not pass the front door');
  return request.caller;
}

/** The caller of the request that a handler serves. */
export const CurrentCaller = createParamDecorator((_: unknown, context: ExecutionContext): Caller =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
