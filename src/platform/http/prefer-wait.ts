import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The longest that a request is held, in seconds. */
export const MAX_WAIT_SECONDS = 60;
/** What an answer takes besides the waiting. */
const GRACE_MS = 5_000;
const WAIT = /^wait\s*=\s*"?(\d{1,9})"?$/i;

/** How long a caller would rather wait than be answered at once (RFC 7240). */
export class Patience {
  constructor(
    private readonly seconds: number,
    private readonly reply: FastifyReply,
  ) {}

  get waitMs(): number {
    return this.seconds * 1000;
  }

  /** By when the answer is surely given; 0 when nobody waits. */
  get answeredWithinMs(): number {
    return this.seconds === 0 ? 0 : this.waitMs + GRACE_MS;
  }

  /** Tells the caller that its wish is heeded. */
  heed(): void {
    this.reply.header('Preference-Applied', `wait=${this.seconds}`);
  }

  /** Tells how long the answer was held: that is none of the service's own time. */
  held(ms: number): void {
    this.reply.request.heldMs = (this.reply.request.heldMs ?? 0) + ms;
  }

  /** Aborted when the caller is gone. */
  get gone(): AbortSignal {
    const controller = new AbortController();
    this.reply.raw.once('close', () => controller.abort());
    return controller.signal;
  }
}

/** A preference that cannot be understood is no error: it is as if it had not been stated. */
export function waitSecondsOf(prefer: string | readonly string[] | undefined): number {
  const preferences = [prefer ?? []].flat().flatMap((value) => value.split(/[,;]/));
  const waits = preferences.map((preference) => WAIT.exec(preference.trim())?.[1]);
  return Math.min(MAX_WAIT_SECONDS, Number(waits.find((seconds) => seconds !== undefined) ?? 0));
}

/** The parameter of an operation that is marked `@MayWait()`. */
export const CurrentPatience = createParamDecorator((_: unknown, context: ExecutionContext): Patience => {
  const http = context.switchToHttp();
  const { prefer } = http.getRequest<FastifyRequest>().headers;
  return new Patience(waitSecondsOf(prefer), http.getResponse<FastifyReply>());
});

export function MayWait(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: 'Prefer',
      required: false,
      description: `\`wait=N\`: be answered when the outcome is known, or after N seconds (at most ${MAX_WAIT_SECONDS})`,
      schema: { type: 'string', example: 'wait=30' },
    }),
  );
}
