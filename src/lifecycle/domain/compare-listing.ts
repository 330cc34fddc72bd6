import type { Placement } from '../../instances/domain/placement.js';
import type { Machine } from '../../novita/novita-client.js';

export interface Sighting {
  readonly placement: Placement;
  readonly machine: Machine;
}

export interface Comparison {
  /** Machines of ours that look different from what the rows say. */
  readonly changed: readonly Sighting[];
  /** Placements that a complete listing did not show. */
  readonly missing: readonly Placement[];
}

/**
 * Compares a listing with the placements that may exist. Machines are matched by id; before the id is known by the unique
 * name, the oldest of several. What an incomplete listing does not show is not missing.
 */
export function compareListing(
  placements: readonly Placement[],
  machines: readonly Machine[],
  complete: boolean,
  startedAt: Date,
): Comparison {
  const present = machines.filter(({ status }) => status !== 'removed');
  const byId = new Map(present.map((machine) => [machine.id, machine]));
  const byName = oldestByName(present);
  const changed: Sighting[] = [];
  const missing: Placement[] = [];
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

function oldestByName(machines: readonly Machine[]): Map<string, Machine> {
  const oldest = new Map<string, Machine>();
  for (const machine of machines) {
    const other = oldest.get(machine.name);
    if (other === undefined || age(machine) < age(other)) oldest.set(machine.name, machine);
  }
  return oldest;
}

function age({ createdAt }: Machine): number {
  return createdAt?.getTime() ?? 0;
}

function looksDifferent(placement: Placement, machine: Machine): boolean {
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
