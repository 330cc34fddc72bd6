import { SeededRandom } from './random.ts';
import { invalidParameter } from './refusal.ts';

/**
 * `…-before`: not executed. `…-after`: executed, and then the answer is lost or a lie.
 * `truncate` and `html` are executed too.
 */
const KINDS = [
  'delay',
  'delay-after',
  'timeout-before',
  'timeout-after',
  '500-before',
  '500-after',
  'reset-before',
  'reset-after',
  '400-after',
  '429',
  '404',
  'refuse',
  'truncate',
  'html',
  'html-before',
  'empty',
  'wrapped',
  'partial-page',
  'delete-lies',
] as const;

export type FaultKind = (typeof KINDS)[number];

export interface Fault {
  /** `create`, `list`, … or `*`. */
  endpoint: string;
  kind: FaultKind;
  /** Neither probability nor count: every call. */
  probability?: number;
  /** How often it strikes before it is used up. */
  count?: number;
  /** How many matching calls pass before it begins. */
  skip?: number;
  /** Only calls whose name or id contains this. */
  match?: string;
  /** Seconds, sent as Retry-After with a 429. */
  retryAfter?: number;
  /** Real milliseconds. */
  delayMs?: number;
  /** Of a `refuse`: what is answered. */
  status?: number;
  reason?: string;
  message?: string;
}

interface Armed extends Fault {
  struck: number;
  passed: number;
}

export interface Strike {
  /** Sum of the delays that hit, real milliseconds. */
  delayMs: number;
  fault: Fault | null;
}

/** Decides which call goes wrong, and how. The same seed and the same calls give the same faults. */
export class Faults {
  private armed: Armed[] = [];
  private random = new SeededRandom();

  arm(faults: readonly Fault[], append: boolean): void {
    faults.forEach(refuseUnknownKind);
    const added = faults.map((fault) => ({ ...fault, struck: 0, passed: 0 }));
    this.armed = append ? [...this.armed, ...added] : added;
  }

  seed(seed: number): void {
    this.random = new SeededRandom(seed);
  }

  clear(): void {
    this.armed = [];
  }

  report(): readonly Armed[] {
    return this.armed;
  }

  /** Delays add up; of all other faults the first that hits is taken. */
  strike(endpoint: string, subject: string): Strike {
    const strike: Strike = { delayMs: 0, fault: null };
    if (this.armed.length === 0) return strike;
    for (const fault of this.armed) {
      if (strike.fault !== null || !this.hits(fault, endpoint, subject)) continue;
      fault.struck += 1;
      if (fault.kind === 'delay') strike.delayMs += fault.delayMs ?? 1000;
      else strike.fault = fault;
    }
    return strike;
  }

  private hits(fault: Armed, endpoint: string, subject: string): boolean {
    if (fault.endpoint !== '*' && fault.endpoint !== endpoint) return false;
    if (fault.match !== undefined && !subject.includes(fault.match)) return false;
    if (fault.count !== undefined && fault.struck >= fault.count) return false;
    fault.passed += 1;
    if (fault.passed <= (fault.skip ?? 0)) return false;
    return fault.probability === undefined || this.random.hits(fault.probability);
  }
}

function refuseUnknownKind(fault: Fault): void {
  if (!KINDS.includes(fault.kind)) throw invalidParameter(`fault kind must be one of ${KINDS.join(', ')}`);
  if (typeof fault.endpoint !== 'string') throw invalidParameter('a fault needs an endpoint, or *');
}
