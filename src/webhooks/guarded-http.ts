import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { callbackify } from 'node:util';
import type { Dispatcher } from 'undici';
import { Pool } from 'undici';
import type { AddressGuard, Resolution } from './address-guard.js';
import type { Dialler } from './dialler.js';
import { headerRefusal, isFramingHeader } from './domain/custom-headers.js';
import { isSameAddress } from './domain/ip-address.js';
import type { FailureClass, Outcome, TargetRefusal } from './domain/outcome.js';
import { parseRetryAfterMs } from './domain/retry-schedule.js';
import type { Purpose } from './domain/target-url.js';
import { hostOf, portOf } from './domain/target-url.js';

export interface HttpLimits {
  /** TCP and TLS together, for all addresses of the name; asking for the name has its own limit in the guard. */
  connectTimeoutMs: number;
  /** From the call to the last byte of the answer's body. */
  deadlineMs: number;
  /** Beyond this the connection is cut; the status counts all the same. */
  maxBodyBytes: number;
  maxHeaderBytes: number;
  connectionsPerOrigin: number;
  maxOrigins: number;
  /** How long a connection may serve before its name is asked for again. */
  maxPoolAgeMs: number;
}

export interface GuardedRequest {
  method: 'GET' | 'OPTIONS' | 'POST';
  /** Ours; a later `customHeaders` entry of the same name is dropped. */
  headers?: Readonly<Record<string, string>>;
  /** What the owner of the URL wants sent along; forbidden ones are dropped, although registration has refused them. */
  customHeaders?: ReadonlyArray<readonly [string, string]>;
  authorizationAllowed?: boolean;
  body?: string | Uint8Array;
  purpose?: Purpose;
  deadlineMs?: number;
}

export type TcpOutcome =
  | { kind: 'connected'; durationMs: number }
  | { kind: 'refused'; because: TargetRefusal; durationMs: number }
  | { kind: 'failed'; class: FailureClass; durationMs: number };

export interface TlsTrust {
  /** Certificates to trust instead of the built-in ones (which NODE_EXTRA_CA_CERTS extends). */
  ca?: string;
}

const DEFAULT_LIMITS: HttpLimits = {
  connectTimeoutMs: 3000,
  deadlineMs: 15_000,
  maxBodyBytes: 16 * 1024,
  maxHeaderBytes: 16 * 1024,
  // More than all senders of a replica use together: one that is slow must not hold up another behind the same name.
  connectionsPerOrigin: 2_048,
  maxOrigins: 256,
  maxPoolAgeMs: 30_000,
};

/** Shorter than the 5 s after which a Node receiver hangs up, so that a POST rarely meets a closing connection. */
const KEEP_ALIVE_MS = 4000;

/** 103 Early Hints is legal once or twice; more is a way to keep us busy. */
const MAX_INTERIM_RESPONSES = 4;
const MAX_ADDRESSES_TRIED = 4;

class TargetRefused extends Error {
  constructor(readonly because: TargetRefusal) {
    super(`Refused to connect: ${because}`);
  }
}

class ConnectFailed extends Error {
  constructor(readonly failureClass: FailureClass) {
    super(`Could not connect: ${failureClass}`);
  }
}

interface OriginPool {
  pool: Pool;
  bornAtMs: number;
}

/**
 * HTTP towards hosts that somebody else has chosen: dials only addresses that the guard has just checked, follows no
 * redirect, inflates nothing, knows no proxy or cookie, and gives up after a fixed time and size.
 */
export class GuardedHttp {
  private readonly limits: HttpLimits;
  private readonly pools = new Map<string, OriginPool>();

  constructor(
    private readonly guard: AddressGuard,
    private readonly dialler: Dialler,
    limits: Partial<HttpLimits> = {},
    private readonly trust: TlsTrust = {},
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    guard.onPolicyChange(() => void this.close());
  }

  post(url: string, request: Omit<GuardedRequest, 'method'>): Promise<Outcome> {
    return this.request(url, { ...request, method: 'POST' });
  }

  /** Never rejects for anything the other side does. */
  async request(url: string, request: GuardedRequest): Promise<Outcome> {
    const purpose = request.purpose ?? 'webhook';
    const because = this.guard.refusalOf(url, purpose);
    if (because) return { kind: 'refused', because, durationMs: 0 };
    const target = new URL(url);
    const exchange = new Exchange(this.limits, request.deadlineMs ?? this.limits.deadlineMs);
    this.poolOf(target, purpose).dispatch(
      {
        path: target.pathname + target.search,
        method: request.method,
        headers: headersOf(request),
        body: request.body ?? null,
      },
      exchange,
    );
    return exchange.outcome;
  }

  /** Is somebody listening there? Connects, checks whom it has met, and hangs up without a word. */
  async tcpConnect(host: string, port: number): Promise<TcpOutcome> {
    const startedAtMs = performance.now();
    const durationMs = (): number => elapsedMs(startedAtMs);
    try {
      const socket = await this.dialChecked(await this.guard.resolveEndpoint(host, port), port, this.connectDeadline());
      socket.destroy();
      return { kind: 'connected', durationMs: durationMs() };
    } catch (error) {
      if (error instanceof TargetRefused) return { kind: 'refused', because: error.because, durationMs: durationMs() };
      return { kind: 'failed', class: classOf(error), durationMs: durationMs() };
    }
  }

  /** Cuts every connection, idle or not. The next request starts afresh. */
  async close(): Promise<void> {
    const pools = [...this.pools.values()];
    this.pools.clear();
    await Promise.all(pools.map(({ pool }) => pool.destroy()));
  }

  private poolOf(target: URL, purpose: Purpose): Pool {
    const key = `${purpose} ${target.origin}`;
    const known = this.pools.get(key);
    if (known && performance.now() - known.bornAtMs < this.limits.maxPoolAgeMs) return known.pool;
    if (known) this.retire(key, known);
    const [oldest] = this.pools;
    if (oldest && this.pools.size >= this.limits.maxOrigins) this.retire(...oldest);
    const pool = this.openPool(target.origin, purpose);
    this.pools.set(key, { pool, bornAtMs: performance.now() });
    return pool;
  }

  /** Lets the requests under way finish. */
  private retire(key: string, { pool }: OriginPool): void {
    this.pools.delete(key);
    pool.close(() => undefined);
  }

  private openPool(origin: string, purpose: Purpose): Pool {
    const connectTo = callbackify(() => this.connectTo(new URL(origin), purpose));
    return new Pool(origin, {
      connections: this.limits.connectionsPerOrigin,
      pipelining: 1,
      allowH2: false,
      useMilo: false,
      maxHeaderSize: this.limits.maxHeaderBytes,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // The exchange has one deadline for everything; these two would only start anew with every byte.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_options, callback) =>
        connectTo((error, socket) => (error ? callback(error, null) : callback(null, socket))),
    });
  }

  private async connectTo(origin: URL, purpose: Purpose): Promise<Socket> {
    const resolution = await this.guard.resolveForConnect(origin.href, undefined, purpose);
    const deadline = this.connectDeadline();
    const socket = await this.dialChecked(resolution, portOf(origin), deadline);
    return origin.protocol === 'https:' ? this.secure(socket, hostOf(origin), deadline) : socket;
  }

  private connectDeadline(): AbortSignal {
    return AbortSignal.timeout(this.limits.connectTimeoutMs);
  }

  private async dialChecked(resolution: Resolution, port: number, deadline: AbortSignal): Promise<Socket> {
    if (resolution.kind === 'refused') throw new TargetRefused(resolution.because);
    if (resolution.kind === 'unresolved') throw new ConnectFailed('dns');
    const addresses = resolution.addresses.slice(0, MAX_ADDRESSES_TRIED);
    // A silent first address must leave time for the others.
    const shareMs = Math.ceil(this.limits.connectTimeoutMs / addresses.length);
    for (const address of addresses) {
      const socket = await this.dial(address, port, AbortSignal.any([deadline, AbortSignal.timeout(shareMs)]));
      if (socket && isSameAddress(socket.remoteAddress, address)) return socket;
      socket?.destroy();
      if (socket) throw new TargetRefused('connected-elsewhere');
    }
    throw new ConnectFailed('connect');
  }

  private async dial(address: string, port: number, signal: AbortSignal): Promise<Socket | null> {
    return this.dialler.dial(address, port, signal).catch(() => null);
  }

  /** Starts TLS on a connection whose peer has been compared already: no byte goes to anybody else. */
  private secure(socket: Socket, host: string, deadline: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const isLiteral = host.includes(':') || /^[\d.]+$/.test(host);
      const fail = (): void => {
        deadline.removeEventListener('abort', fail);
        secured.destroy();
        reject(new ConnectFailed('tls'));
      };
      const secured = connectTls({
        socket,
        // The certificate must name the host of the URL; SNI carries names only (RFC 6066).
        host,
        servername: isLiteral ? '' : host,
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...this.trust,
      });
      if (deadline.aborted) return fail();
      deadline.addEventListener('abort', fail, { once: true });
      secured.once('error', fail);
      secured.once('secureConnect', () => {
        deadline.removeEventListener('abort', fail);
        secured.off('error', fail);
        resolve(secured);
      });
    });
  }
}

/** One request and what came of it. Settles once: whatever happens after that only ends the connection. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<Outcome>;
  private settle!: (outcome: Outcome) => void;
  private isSettled = false;
  private readonly startedAtMs = performance.now();
  private readonly timer: NodeJS.Timeout;
  private controller: Dispatcher.DispatchController | null = null;
  private interimResponses = 0;
  private status = 0;
  private retryAfter: string | undefined;
  private bytes = 0;

  constructor(
    private readonly limits: HttpLimits,
    deadlineMs: number,
  ) {
    this.outcome = new Promise((resolve) => (this.settle = resolve));
    this.timer = setTimeout(() => this.fail('timeout'), deadlineMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The deadline has passed while the request waited for a connection: it must not be sent any more.
    if (this.isSettled) this.hangUp();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    if (status < 200) {
      this.interimResponses += 1;
      if (this.interimResponses > MAX_INTERIM_RESPONSES) this.fail('protocol');
      return;
    }
    this.status = status;
    this.retryAfter = readRetryAfter(headers['retry-after']);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes = Math.min(this.bytes + chunk.length, this.limits.maxBodyBytes);
    if (this.bytes < this.limits.maxBodyBytes) return;
    this.answered();
    this.hangUp();
  }

  onResponseEnd(): void {
    this.answered();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (error instanceof TargetRefused) {
      this.finish({ kind: 'refused', because: error.because, durationMs: elapsedMs(this.startedAtMs) });
    } else {
      this.finish({ kind: 'failed', class: classOf(error), durationMs: elapsedMs(this.startedAtMs) });
    }
  }

  private answered(): void {
    this.finish({
      kind: 'answered',
      status: this.status,
      ...(this.retryAfter === undefined ? {} : { retryAfter: this.retryAfter }),
      bytes: this.bytes,
      durationMs: elapsedMs(this.startedAtMs),
    });
  }

  private fail(failureClass: FailureClass): void {
    this.finish({ kind: 'failed', class: failureClass, durationMs: elapsedMs(this.startedAtMs) });
    this.hangUp();
  }

  private finish(outcome: Outcome): void {
    clearTimeout(this.timer);
    this.isSettled = true;
    this.settle(outcome);
  }

  private hangUp(): void {
    this.controller?.abort(new Error('Enough'));
  }
}

function headersOf(request: GuardedRequest): string[] {
  const rules = { authorizationAllowed: request.authorizationAllowed ?? false };
  const ours = Object.entries(request.headers ?? {}).filter(([name]) => !isFramingHeader(name));
  const taken = new Set(ours.map(([name]) => name.toLowerCase()));
  const theirs = (request.customHeaders ?? []).filter(
    ([name, value]) => !taken.has(name.toLowerCase()) && headerRefusal(name, value, rules) === null,
  );
  // A flat list: an object would lose or reinterpret names such as __proto__.
  return [...ours, ...theirs].flat();
}

function readRetryAfter(value: unknown): string | undefined {
  return typeof value === 'string' && parseRetryAfterMs(value, new Date(0)) !== null ? value : undefined;
}

function classOf(error: unknown): FailureClass {
  if (error instanceof ConnectFailed) return error.failureClass;
  const code = error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? '') : '';
  if (code.startsWith('HPE_') || PROTOCOL_ERRORS.has(code)) return 'protocol';
  return 'reset';
}

const PROTOCOL_ERRORS = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
]);

function elapsedMs(sinceMs: number): number {
  return Math.round(performance.now() - sinceMs);
}
