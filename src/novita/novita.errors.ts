/** What an upstream failure means for us; see section names in `classifyRefusal`. */
export type NovitaErrorClass =
  | 'not-found'
  | 'wrong-state'
  | 'no-capacity'
  | 'quota'
  | 'balance'
  | 'auth'
  | 'rate-limited'
  | 'invalid'
  | 'unavailable';

/**
 * Whether the call may have had an effect. `refused`: upstream said no. `not-sent`: nothing left this process.
 * `unknown`: no answer, or one that cannot be read; for a write the effect may be there.
 */
export type Outcome = 'refused' | 'not-sent' | 'unknown';

/** A call that did not succeed. Carries upstream's reason code, never its body. */
export class NovitaError extends Error {
  constructor(
    readonly errorClass: NovitaErrorClass,
    readonly outcome: Outcome,
    readonly call: string,
    readonly reason: string | null = null,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(`Novita ${call}: ${errorClass}${reason === null ? '' : ` (${reason})`}`);
  }
}

const CAPACITY = ['MIGRATE_INSUFFICIENT_RESOURCE', 'INSUFFICIENT_RESOURCE'];
const WRONG_STATE = ['CONFLICT', 'DEPENDENT_RESOURCE_STATE', 'OPERATION_LIMIT', 'CLUSTER_STATUS', 'NODE_STATUS'];
const QUOTA = ['CREATE_INSTANCE_LIMIT', 'CREATE_GPU_NUM_LIMIT', 'NETWORK_MAX_LIMIT'];
const AUTH = [
  'UNAUTHORIZED',
  'INVALID_API_KEY',
  'MISSING_API_KEY',
  'GET_TOKEN_FAILED',
  'INVALID_USER_TOKEN',
  'FORBIDDEN',
  'API_NOT_ALLOWED',
  'BANNED_USER',
  'USER_NOT_ACTIVATED',
  'NEED_REAL_NAME_VERIFY',
  'PERMISSION_DENIED',
  'USER_IS_LOCKED',
];

export interface Refusal {
  readonly status: number;
  readonly reason: string | null;
  /** Only read for known words; never kept. */
  readonly message: string;
}

/** The upstream answers 400 for not found, wrong state and no capacity alike: the reason decides, then the words, then the status. */
export function classifyRefusal({ status, reason, message }: Refusal): NovitaErrorClass {
  const code = reason ?? '';
  const says = (text: string) => message.toLowerCase().includes(text);
  if (status >= 500) return code === 'WALLET_NOT_FOUND' ? 'balance' : 'unavailable';
  if (status === 429) return 'rate-limited';
  if (CAPACITY.some((known) => code === known || message.includes(known))) return 'no-capacity';
  if (code.includes('BALANCE_NOT_ENOUGH') || code.includes('BUDGET')) return 'balance';
  if (QUOTA.includes(code) || (status === 403 && (says('quota') || says('limit')))) return 'quota';
  if (status === 404 || code.endsWith('_NOT_FOUND') || code === 'RESOURCE_NOT_FOUND') return 'not-found';
  if (WRONG_STATE.includes(code) || says('invalid state change')) return 'wrong-state';
  if (status === 401 || status === 403 || AUTH.includes(code)) return 'auth';
  if (says('not found')) return 'not-found';
  return 'invalid';
}
