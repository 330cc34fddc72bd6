import type { Actor, EventType } from '../../events/event.js';
import type { StatementTx } from '../../platform/database/statement.js';
import type { Instance } from './instance.js';
import type { Placement } from './placement.js';

export interface EventDraft {
  readonly type: EventType;
  readonly actor: Actor;
  readonly data?: Readonly<Record<string, unknown>>;
  /** What the receiver of a migration event is told besides the instance. */
  readonly migration?: Readonly<Record<string, unknown>>;
  /** What the receiver of a notice is told besides the instance. */
  readonly reclaim?: Readonly<Record<string, unknown>>;
}

/** One step of an instance, to be recorded whole or not at all. */
export interface Change {
  readonly before: Instance;
  readonly after: Instance;
  readonly bought?: Placement;
  readonly placements?: readonly Placement[];
  /** A change of phase without one is logged as progress of the service. */
  readonly event?: EventDraft;
  readonly alongside?: (tx: StatementTx) => Promise<unknown>;
}
