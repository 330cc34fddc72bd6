import { callbackify } from 'node:util';
import { Pool } from 'undici';
import type { AddressGuard } from './address-guard.js';
import { TargetRefused } from './connect-errors.js';
import type { Dialler } from './dialler.js';
import { type CustomHeaders, headerRefusal, isFramingHeader, rulesFor } from './domain/custom-headers.js';
import type { FailureClass, Outcome, TargetRefusal } from './domain/outcome.js';
import type { Purpose } from './domain/target-url.js';
import { classOf, elapsedMs, Exchange } from './exchange.js';
import { GuardedConnector, type TlsTrust } from './guarded-connector.js';
import { DEFAULT_LIMITS, type HttpLimits } from './http-limits.js';

export interface GuardedRequest {
  method: 'GET' | 'OPTIONS' | 'POST';
  /** Ours; a later `customHeaders` entry of the same name is dropped. */
  headers?: Readonly<Record<string, string>>;
  /** What the owner of the URL wants sent along; forbidden ones are dropped, although registration has refused them. */
  customHeaders?: CustomHeaders;
  body?: string | Uint8Array;
  purpose?: Purpose;
  deadlineMs?: number;
}

export type TcpOutcome =
  | { kind: 'connected'; durationMs: number }
  | { kind: 'refused'; because: TargetRefusal; durationMs: number }
  | { kind: 'failed'; class: FailureClass; durationMs: number };

/** Shorter than the 5 s after which a Node receiver hangs up, so that a POST rarely meets a closing connection. */
const KEEP_ALIVE_MS = 4000;

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
  private readonly connector: GuardedConnector;
  private readonly pools = new Map<string, OriginPool>();

  constructor(
    private readonly guard: AddressGuard,
    dialler: Dialler,
    limits: Partial<HttpLimits> = {},
    trust: TlsTrust = {},
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.connector = new GuardedConnector(guard, dialler, this.limits.connectTimeoutMs, trust);
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
        headers: headersOf(request, target),
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
      (await this.connector.reach(host, port)).destroy();
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
    const connectTo = callbackify(() => this.connector.connectTo(new URL(origin), purpose));
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
}

function headersOf(request: GuardedRequest, { protocol }: URL): string[] {
  const rules = rulesFor(protocol);
  const ours = Object.entries(request.headers ?? {}).filter(([name]) => !isFramingHeader(name));
  const taken = new Set(ours.map(([name]) => name.toLowerCase()));
  const theirs = (request.customHeaders ?? []).filter(
    ([name, value]) => !taken.has(name.toLowerCase()) && headerRefusal(name, value, rules) === null,
  );
  // A flat list: an object would lose or reinterpret names such as __proto__.
  return [...ours, ...theirs].flat();
}
