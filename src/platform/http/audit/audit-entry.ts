import type { FastifyRequest } from 'fastify';
import { API_KEY_PATTERN } from '../auth/api-key.js';
import { operationOf } from '../auth/require-scope.js';
import { shortened } from '../text-rules.js';
import { stateHash } from './state-hash.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** There while a mutating request is served. */
    audit?: { readonly isWritten: boolean };
    /** What the answer calls the error; absent when all is well. */
    errorCode?: string;
  }
}

/** `accepted`: written with its effect. `unchanged`: served, and nothing had to be done. */
export type AuditOutcome = 'accepted' | 'unchanged' | 'denied' | 'failed';

export const AUDIT_OUTCOMES: readonly AuditOutcome[] = ['accepted', 'unchanged', 'denied', 'failed'];

export interface AuditEntry {
  readonly at: Date;
  /** Null when nobody knows who asked. */
  readonly teamId: string | null;
  readonly actor: string;
  /** The operation's name in the API document. */
  readonly action: string;
  readonly method: string;
  readonly route: string;
  readonly target: string | null;
  readonly outcome: AuditOutcome;
  readonly status: number | null;
  readonly errorCode: string | null;
  readonly requestId: string;
  readonly ip: string;
  /** Hashes of what it was about, before and after; null where there was nothing, or nothing was changed. */
  readonly beforeHash: string | null;
  readonly afterHash: string | null;
}

/** What an effect did to what it was about. */
export interface Effect {
  readonly target: string | null;
  readonly before: object | null;
  readonly after: object | null;
}

const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const MAX_TARGET_LENGTH = 200;
const API_KEYS = new RegExp(API_KEY_PATTERN, 'g');

export function isMutating({ method }: Pick<FastifyRequest, 'method'>): boolean {
  return MUTATING.has(method);
}

/** What a request says of itself; who asked for what, from where. */
export function entryOf(
  request: FastifyRequest,
  ending: Pick<AuditEntry, 'at' | 'outcome' | 'status' | 'errorCode'>,
  effect: Partial<Effect> = {},
): AuditEntry {
  const { target, before, after } = effect;
  const route = request.routeOptions.url ?? '';
  return {
    ...ending,
    teamId: request.caller?.teamId ?? null,
    actor: request.caller?.actor ?? 'unknown',
    action: operationOf(request) ?? `${request.method} ${route}`,
    method: request.method,
    route,
    target: target ?? targetOf(request),
    requestId: request.id,
    ip: request.ip,
    beforeHash: before ? stateHash(before) : null,
    afterHash: after ? stateHash(after) : null,
  };
}

export function outcomeOf(status: number): AuditOutcome {
  if (status < 400) return 'unchanged';
  return status === 401 || status === 403 ? 'denied' : 'failed';
}

function targetOf({ params }: FastifyRequest): string | null {
  const ids = Object.values((params ?? {}) as Record<string, string>);
  return ids.length === 0 ? null : shortened(withoutKeys(ids.join('/')), MAX_TARGET_LENGTH);
}

/** A key that was pasted into an address would be kept here for as long as the trail is. */
function withoutKeys(text: string): string {
  return text.replace(API_KEYS, '[secret]');
}
