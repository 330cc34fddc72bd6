import { AppError } from '../../app-error.js';
import { once, orElse, type Soon } from '../at-once.js';
import { FixedWindowStorage } from './fixed-window-storage.js';
import type { RateLimitRecord, RateLimitStorage } from './rate-limit-storage.js';

export interface RateLimitSettings {
  enabled: boolean;
  createPerMinute: number;
  statusPerMinute: number;
  generalPerHour: number;
}

export interface LimitedRequest {
  method: string;
  /** The template of the matched route; null when nothing matched. */
  route: string | null;
  /** Whom the hits are counted for; see `rateLimitKey`. */
  caller: string;
}

/** What the X-RateLimit headers say; `retryAfterSeconds` is set when the request is refused. */
export interface RateLimitVerdict {
  limit: number;
  remaining: number;
  resetEpochSeconds: number;
  retryAfterSeconds: number | null;
  /** Every limit that the request was counted for. */
  policies: readonly PolicyState[];
}

/** What the RateLimit and RateLimit-Policy headers say of one limit. */
export interface PolicyState {
  name: string;
  limit: number;
  windowSeconds: number;
  remaining: number;
  resetSeconds: number;
}

export class RateLimitExceeded extends AppError {
  readonly kind = 'rate-limited';
  readonly code = 'RATE_LIMIT_EXCEEDED';
  override readonly details: Record<string, unknown>;

  constructor(
    limit: number,
    override readonly retryAfterSeconds: number,
  ) {
    super('API rate limit exceeded');
    this.details = { limit, retryAfterSeconds };
  }
}

interface Rule {
  name: string;
  limit: number;
  windowMs: number;
  applies(request: LimitedRequest): boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const INSTANCES = '/api/instances';

export class RateLimiter {
  private readonly rules: readonly Rule[];
  private readonly rulesByRoute = new Map<string | null, Map<string, readonly Rule[]>>();
  // While the shared store is away, each process counts for itself rather than letting everything in.
  private readonly fallback: RateLimitStorage;

  constructor(
    settings: RateLimitSettings,
    private readonly storage: RateLimitStorage,
    private readonly now: () => number = Date.now,
  ) {
    this.rules = settings.enabled ? rulesFor(settings) : [];
    this.fallback = new FixedWindowStorage(now);
  }

  /**
   * Counts a request against every limit that applies, the narrowest first, and stops at the one that refuses it: a refused
   * create must not eat into the caller's hour. Null when no limit applies.
   */
  admit(request: LimitedRequest): Soon<RateLimitVerdict | null> {
    const rules = this.rulesFor(request);
    return rules.length === 0 ? null : this.admitBy(rules, 0, request.caller, [], null);
  }

  private admitBy(
    rules: readonly Rule[],
    index: number,
    caller: string,
    policies: PolicyState[],
    tightest: RateLimitVerdict | null,
  ): Soon<RateLimitVerdict | null> {
    const rule = rules[index];
    if (rule === undefined) return tightest;
    return once(this.count(rule, caller), (record) => {
      const verdict = this.toVerdict(rule, record, policies);
      if (verdict.retryAfterSeconds !== null) return verdict;
      const isTighter = tightest === null || verdict.remaining < tightest.remaining;
      return this.admitBy(rules, index + 1, caller, policies, isTighter ? verdict : tightest);
    });
  }

  /** Methods and routes are few, and which rules apply to them never changes. */
  private rulesFor(request: LimitedRequest): readonly Rule[] {
    const { route, method } = request;
    const byMethod = this.rulesByRoute.get(route) ?? new Map<string, readonly Rule[]>();
    const known = byMethod.get(method);
    if (known !== undefined) return known;
    const rules = this.rules.filter((rule) => rule.applies(request));
    this.rulesByRoute.set(route, byMethod.set(method, rules));
    return rules;
  }

  private count({ name, limit, windowMs }: Rule, caller: string): Soon<RateLimitRecord> {
    return orElse(
      () => this.storage.increment(caller, windowMs, limit, 0, name),
      (error) => {
        if (error instanceof AppError) throw error;
        return this.fallback.increment(caller, windowMs, limit, 0, name);
      },
    );
  }

  private toVerdict(rule: Rule, record: RateLimitRecord, policies: PolicyState[]): RateLimitVerdict {
    const wait = record.isBlocked ? Math.max(record.timeToBlockExpire, record.timeToExpire) : record.timeToExpire;
    const remaining = record.isBlocked ? 0 : Math.max(0, rule.limit - record.totalHits);
    const { name, limit, windowMs } = rule;
    policies.push({ name, limit, windowSeconds: windowMs / 1000, remaining, resetSeconds: Math.ceil(wait) });
    return {
      policies,
      limit,
      remaining,
      resetEpochSeconds: Math.ceil(this.now() / 1000 + wait),
      retryAfterSeconds: record.isBlocked ? Math.max(1, Math.ceil(wait)) : null,
    };
  }
}

function rulesFor(settings: RateLimitSettings): Rule[] {
  return [
    { name: 'create', limit: settings.createPerMinute, windowMs: MINUTE_MS, applies: isCreate },
    { name: 'status', limit: settings.statusPerMinute, windowMs: MINUTE_MS, applies: isStatusQuery },
    { name: 'general', limit: settings.generalPerHour, windowMs: HOUR_MS, applies: isGeneral },
  ];
}

// The template and not the path decides: `/api/%69nstances` reaches the same route.
function isCreate({ method, route }: LimitedRequest): boolean {
  return method === 'POST' && route === INSTANCES;
}

function isStatusQuery({ method, route }: LimitedRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && (route === INSTANCES || isUnder(route, INSTANCES));
}

function isGeneral({ route }: LimitedRequest): boolean {
  return route === null || route === '/api' || isUnder(route, '/api');
}

function isUnder(route: string | null, parent: string): boolean {
  return route !== null && route.startsWith(`${parent}/`);
}
