import { type NestFastifyApplication, FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { withinRequest } from '../logging/request-scope.js';
import type { AuditEntry } from './audit/audit-entry.js';
import type { Authenticator } from './auth/authenticator.js';
import { Gatekeeper } from './auth/gatekeeper.js';
import type { OpenTo } from './auth/open-door.js';
import { trustsProxies } from './client-address.js';
import { ErrorFilter } from './error.filter.js';
import { answerFor, answerForStatus } from './error-answer.js';
import { type FinishedRequest, FrontDoor } from './front-door.js';
import type { HttpLog } from './http-log.js';
import { HttpRefusal } from './http-refusal.js';
import { BODY_LIMIT_BYTES, parseJsonBody } from './json-body.js';
import { FixedWindowStorage } from './rate-limit/fixed-window-storage.js';
import { RateLimiter, type RateLimitSettings } from './rate-limit/rate-limiter.js';
import type { RateLimitStorage } from './rate-limit/rate-limit-storage.js';
import { ParserErrors } from './raw-answer.js';
import { requestIdOf } from './request-id.js';
import { RouteTable } from './route-table.js';
import { sendError } from './send-error.js';
import { SideDoor, type StandingAnswer } from './side-door.js';
import { StrictParameters } from './strict-parameters.guard.js';
import { createValidationPipe } from './validation.js';

export interface HttpSettings {
  /** Addresses and CIDRs of proxies whose X-Forwarded-For is believed; none by default. */
  trustedProxies: readonly string[];
  rateLimit: RateLimitSettings;
  log: HttpLog;
  /** Knows the keys; without it nobody needs one. */
  authenticator?: Authenticator;
  /** Who can reach it while there is no key. */
  openTo?: OpenTo;
  /** Shared by the replicas; the memory of this process when absent. */
  rateLimitStorage?: RateLimitStorage;
  /** How long a client may take for its headers and for its whole request. */
  requestTimeoutMs?: number;
  /** Told by the server itself as long as `mayAnswerAhead`. */
  standingAnswers?: readonly StandingAnswer[];
  mayAnswerAhead?: () => boolean;
  onFinished?: (finished: FinishedRequest) => void;
  onAttempt?: (entry: AuditEntry) => void;
}

// A socket that never gets its request across is gone within 11 s, even while thousands of them are being looked through.
const REQUEST_TIMEOUT_MS = 8_500;
const CHECK_INTERVAL_MS = 500;
// Longer than the idle time of common balancers (60 s), so that they close first and never write into a closing socket.
const KEEP_ALIVE_MS = 72_000;
const MAX_HEADER_BYTES = 16_384;

/** The Fastify adapter with this service's rules; `configureHttp` must be called on the application that is made with it. */
export class HttpAdapter extends FastifyAdapter {
  readonly routes = new RouteTable();

  constructor(
    settings: Pick<HttpSettings, 'trustedProxies' | 'requestTimeoutMs'>,
    private readonly entrance: Entrance,
  ) {
    super(adapterOptions(settings, entrance));
    const instance: FastifyInstance = this.getInstance();
    instance.addHook('onRoute', ({ url, method }) => this.routes.add(url, method));
    acceptOnlyJson(instance);
    entrance.standBefore(instance.server as Server);
    entrance.parserErrors.watch(instance.server as Parameters<ParserErrors['watch']>[0]);
    // After the body was read, whose events would be none of the request's.
    instance.addHook('preHandler', ({ id }, _reply, done) => withinRequest(id, done));
    this.setOnRequestHook((request, reply, done) => entrance.pass(request, reply, done));
  }

  open(door: FrontDoor, sideDoor: SideDoor): void {
    this.entrance.door = door;
    this.entrance.sideDoor = sideDoor;
  }

  /** Nest would add its own parsers for JSON and for forms. */
  override registerParserMiddleware(): void {}
}

/** Stands between Fastify, which needs its hooks at once, and the doors, which exist only when the application does. */
class Entrance {
  readonly parserErrors = new ParserErrors();
  door: FrontDoor | null = null;
  sideDoor: SideDoor | null = null;

  /** Requests go to the router, but for those that are answered before. */
  standBefore(server: Server): void {
    const [route] = server.listeners('request') as [RequestListener];
    server.off('request', route);
    server.on('request', (request, response) => {
      if (this.sideDoor?.answer(request, response) !== true) route(request, response);
    });
  }

  /** Whatever is thrown here, Nest hands to `done`. */
  pass(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    const entered = this.door?.enter(request, reply);
    if (entered instanceof Promise) void this.passLater(entered, done);
    else done();
  }

  private async passLater(entered: Promise<void>, done: (error?: Error) => void): Promise<void> {
    const [end] = await Promise.allSettled([entered]);
    done(end.status === 'rejected' ? (end.reason as Error) : undefined);
  }

  /** Counts and marks a request that the router refuses, like any other, before it is answered. */
  async turnAway(error: Error, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    let refusal: unknown = error;
    try {
      await this.door?.enter(request, reply);
    } catch (reason) {
      refusal = reason;
    }
    sendError(reply, answerFor(refusal), String(request.id));
  }
}

export function createFastifyAdapter(settings: Pick<HttpSettings, 'trustedProxies' | 'requestTimeoutMs'>): HttpAdapter {
  return new HttpAdapter(settings, new Entrance());
}

/** Every HTTP rule of the service, on an application that was made with `createFastifyAdapter`. Call it before `init`. */
export function configureHttp(app: NestFastifyApplication, settings: HttpSettings): void {
  const adapter = app.getHttpAdapter();
  if (!(adapter instanceof HttpAdapter)) throw new Error('The application must be made with createFastifyAdapter');
  const { log, rateLimit, rateLimitStorage = new FixedWindowStorage(), onFinished, onAttempt } = settings;
  const { standingAnswers: answers = [], mayAnswerAhead = () => true } = settings;
  const limiter = new RateLimiter(rateLimit, rateLimitStorage);
  const gatekeeper = new Gatekeeper({
    authenticator: settings.authenticator ?? null,
    countsFailures: rateLimit.enabled,
    openTo: settings.openTo ?? 'network',
  });
  adapter.open(
    new FrontDoor({ limiter, gatekeeper, log, ...(onFinished && { onFinished }), ...(onAttempt && { onAttempt }) }),
    // The lines of a log that tells of every request are the front door's to write.
    new SideDoor({
      answers,
      isOpen: () => !log.isLevelEnabled('debug') && mayAnswerAhead(),
      ...(onFinished && { onFinished }),
    }),
  );
  app.useGlobalFilters(new ErrorFilter(adapter.routes, log));
  app.useGlobalGuards(new StrictParameters());
  app.useGlobalPipes(createValidationPipe());
}

function adapterOptions(
  { trustedProxies, requestTimeoutMs = REQUEST_TIMEOUT_MS }: Pick<HttpSettings, 'trustedProxies' | 'requestTimeoutMs'>,
  entrance: Entrance,
): FastifyHttpOptions<Server> {
  return {
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A connection that is still open while the service drains is served, and told that it is the last time.
    return503OnClosing: false,
    trustProxy: trustedProxies.length > 0 ? trustsProxies(trustedProxies) : false,
    genReqId: requestIdOf,
    // The whole target is bounded elsewhere; a long id is simply one that does not exist.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    http: {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL_MS, requestTimeoutMs),
      maxHeaderSize: MAX_HEADER_BYTES,
      // Node would answer with an empty body; the front door refuses it in our shape.
      requireHostHeader: false,
    },
    clientErrorHandler: (error: Error, socket: Socket) => entrance.parserErrors.answer(error, socket),
    // The router reports an undecodable path here, before any hook.
    frameworkErrors: (error, request, reply) => void entrance.turnAway(error, request, reply as FastifyReply),
  };
}

function acceptOnlyJson(instance: FastifyInstance): void {
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
      if (!/^utf-?8$/i.test(charset)) throw new HttpRefusal(answerForStatus(415));
      return parseJsonBody(bytes);
    },
  );
}
