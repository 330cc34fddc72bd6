import type { LivePlacement } from '../../instances/domain/placement.js';
import type { Machine } from '../../novita/novita-client.js';

export interface Sighting {
  readonly placement: LivePlacement;
  readonly machine: Machine;
}

export interface Comparison {
  /** Machines of ours that look different from what the rows say. */
  readonly changed: readonly Sighting[];
  /** Placements that a complete listing did not show. */
  readonly missing: readonly LivePlacement[];
}

/** The machines of a listing by what placements know them by. */
export interface Index {
  readonly byId: Map<string, Machine>;
  /** The oldest of each name. */
  readonly byName: Map<string, Machine>;
}

export function newIndex(): Index {
  return { byId: new Map(), byName: new Map() };
}

/** Adds to the index that is given. */
export function indexMachines(machines: readonly Machine[], index = newIndex()): Index {
  const { byId, byName } = index;
  for (const machine of machines) {
    if (machine.status === 'removed') continue;
    byId.set(machine.id, machine);
    const other = byName.get(machine.name);
    if (other === undefined || age(machine) < age(other)) byName.set(machine.name, machine);
  }
  return index;
}

/**
 * Compares a listing with placements that may exist. Machines are matched by id; before the id is known by the unique name,
 * the oldest of several. What an incomplete listing does not show is not missing.
 */
export function compareListing(
  placements: readonly LivePlacement[],
  { byId, byName }: Index,
  complete: boolean,
  startedAt: Date,
): Comparison {
  const changed: Sighting[] = [];
  const missing: LivePlacement[] = [];
  for (const placement of placements) {
    const machine = placement.novitaId === null ? byName.get(placement.uniqueName) : byId.get(placement.novitaId);
    if (machine === undefined) {
      if (complete && placement.createdAt < startedAt) missing.push(placement);
    } else if (looksDifferent(placement, machine)) {
      changed.push({ placement, machine });
    }
  }
  return { changed, missing };
}

function age({ createdAt }: Machine): number {
  return createdAt?.getTime() ?? 0;
}

function looksDifferent(placement: LivePlacement, machine: Machine): boolean {
  return (
    placement.novitaId === null ||
    placement.missingSince !== null ||
    placement.seenStatus !== machine.status ||
    // What is known by its kind is not written again for each of its names.
    (machine.status === 'other' && placement.seenRawStatus !== machine.rawStatus) ||
    (placement.seenError ?? '') !== machine.statusError ||
    (placement.seenSpotStatus ?? '') !== machine.spotStatus ||
    placement.seenReclaimAt?.getTime() !== machine.reclaimAt?.getTime()
  );
}
