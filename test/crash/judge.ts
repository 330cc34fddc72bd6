import pg from 'pg';
import type { LedgerRecord, SandboxProcess } from '../sandbox/sandbox-process.js';

/** Every machine of a proof's service is called so; see DEPLOYMENT_ID in `proof-world.ts`. */
export const OWN_PREFIX = 'gpusvc-proof-';

const MOVING = "phase NOT IN ('running', 'stopped', 'failed', 'deleted')";

export interface Verdict {
  /** Machines that exist, and perhaps bill, while no live row claims them. */
  readonly orphans: readonly string[];
  /** Instances with two machines at once, and names that were bought twice. */
  readonly doubles: readonly string[];
  /** Rows that believe in a machine which the upstream does not have. */
  readonly phantoms: readonly string[];
  /** What is still on its way. */
  readonly unsettled: readonly string[];
}

interface PlacementRow {
  id: string;
  instance_id: string;
  unique_name: string;
  novita_id: string | null;
  state: string;
  phase: string;
  reason_code: string | null;
}

interface MovingRow {
  id: string;
  phase: string;
  reason_code: string | null;
}

/** Compares the upstream's own ledger, kept in another process, with the rows; the service's word counts for nothing. */
export class Judge {
  constructor(
    private readonly sandbox: SandboxProcess,
    private readonly pool: pg.Pool,
  ) {}

  async compare(): Promise<Verdict> {
    const [ledger, placements, moving] = await Promise.all([
      this.sandbox.ledger(`?namePrefix=${OWN_PREFIX}`),
      this.pool.query<PlacementRow>(
        `SELECT p.id, p.instance_id, p.unique_name, p.novita_id, p.state, i.phase, i.reason_code
           FROM placements p JOIN instances i ON i.id = p.instance_id`,
      ),
      this.pool.query<MovingRow>(`SELECT id, phase, reason_code FROM instances WHERE ${MOVING}`),
    ]);
    const live = placements.rows.filter(({ state }) => ['intended', 'confirmed', 'retiring'].includes(state));
    return {
      orphans: findOrphans(ledger.exists, live),
      doubles: [...findDoubles(ledger.exists, placements.rows), ...findBoughtTwice(ledger.machines)],
      phantoms: findPhantoms(ledger.exists, live),
      unsettled: [
        ...moving.rows.map(({ id, phase, reason_code: code }) => `${id} ${phase} ${code ?? ''}`),
        ...live
          .filter(({ state }) => state !== 'confirmed')
          .map((one) => `${one.id} ${one.state}, its instance ${one.phase} ${one.reason_code ?? ''}`),
      ],
    };
  }

  /**
   * Until the rows are at rest and agree with the ledger.
   * @returns how long it took, in milliseconds. @throws with the differences when it takes longer than `withinMs`.
   */
  async untilEqual(withinMs: number, since = Date.now()): Promise<number> {
    for (;;) {
      const askedAt = Date.now();
      const verdict = await this.compare();
      if (Object.values(verdict).every((differences: readonly string[]) => differences.length === 0))
        return Date.now() - since;
      if (Date.now() - since > withinMs)
        throw new Error(`Rows and ledger differ after ${withinMs} ms: ${JSON.stringify(shortened(verdict), null, 1)}`);
      // With thousands of machines a look costs much of what it looks at.
      await new Promise((resolve) => setTimeout(resolve, Math.max(100, 2 * (Date.now() - askedAt))));
    }
  }
}

function findOrphans(exists: readonly LedgerRecord[], live: readonly PlacementRow[]): string[] {
  const byName = new Map(live.map((placement) => [placement.unique_name, placement]));
  return exists
    .filter(({ id, name }) => {
      const claim = byName.get(name);
      return claim === undefined || (claim.novita_id !== null && claim.novita_id !== id);
    })
    .map(({ id, name, status }) => `${id} ${name} ${status}`);
}

function findDoubles(exists: readonly LedgerRecord[], placements: readonly PlacementRow[]): string[] {
  const instanceOf = new Map(placements.map((placement) => [placement.unique_name, placement.instance_id]));
  return repeated(exists.flatMap(({ name }) => instanceOf.get(name) ?? []));
}

/** Also of machines that are gone by now. */
function findBoughtTwice(machines: readonly LedgerRecord[]): string[] {
  return repeated(machines.map(({ name }) => name));
}

function findPhantoms(exists: readonly LedgerRecord[], live: readonly PlacementRow[]): string[] {
  const ids = new Set(exists.map(({ id }) => id));
  return live
    .filter(({ state, novita_id: novitaId }) => state === 'confirmed' && (novitaId === null || !ids.has(novitaId)))
    .map(({ id, novita_id: novitaId }) => `${id} ${novitaId}`);
}

function repeated(keys: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(keys.filter((key) => seen.has(key) || !seen.add(key)))];
}

function shortened(verdict: Verdict): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(verdict).map(([name, list]: [string, readonly string[]]) => [
      name,
      [list.length, list.slice(0, 20)],
    ]),
  );
}
