import type { LivePlacement } from '../../instances/domain/placement.js';
import type { Machine } from '../../novita/novita-client.js';

/** What the rows say about a machine name of ours. */
export interface Claim {
  readonly instanceId: string;
  readonly isLive: boolean;
  readonly novitaId: string | null;
}

export interface OrphanSighting {
  readonly machine: Machine;
  /** The instance the name was once made for, when there is one. */
  readonly instanceId: string | null;
}

/** What a live placement says about the machine of its name. */
export function claimOf({ instanceId, novitaId }: LivePlacement): Claim {
  return { instanceId, novitaId, isLive: true };
}

/**
 * Machines under our own prefix that no row claims: the name is unknown, its placement is over, or another machine holds it.
 * Everything else in the account belongs to somebody else and is never looked at.
 */
export function findOrphans(
  machines: readonly Machine[],
  claims: ReadonlyMap<string, Claim>,
  prefix: string,
): OrphanSighting[] {
  return machines
    .filter(({ name, status }) => name.startsWith(prefix) && status !== 'removed' && status !== 'removing')
    .flatMap((machine) => {
      const claim = claims.get(machine.name);
      const isClaimed = claim?.isLive === true && (claim.novitaId === null || claim.novitaId === machine.id);
      return isClaimed ? [] : [{ machine, instanceId: claim?.instanceId ?? null }];
    });
}
