import pg from 'pg';
import { eventually } from '../support/world.js';

/** Any number; keeps the gates apart from other advisory locks. */
const LOCK_CLASS = 7_004;

/** Where a transaction stands still: `row`, written but not committed; `commit`, with its COMMIT on the way. */
export type Moment = 'row' | 'commit';

export interface GateSpec {
  readonly table: 'instances' | 'placements' | 'sweeps';
  readonly on: 'INSERT' | 'UPDATE';
  /** A trigger's WHEN; empty for every row. */
  readonly when: string;
  readonly moment: Moment;
}

/**
 * Stops the service inside its own transactions without a line of code in it: a trigger asks for a lock that the test
 * holds. What Postgres does with the transaction of a client that dies meanwhile is Postgres' own business.
 */
export class DatabaseGates {
  private constructor(
    private readonly holder: pg.Client,
    private readonly specs: readonly GateSpec[],
  ) {}

  static async install(databaseUrl: string, specs: readonly GateSpec[]): Promise<DatabaseGates> {
    const holder = new pg.Client({ connectionString: databaseUrl });
    holder.on('error', () => undefined);
    await holder.connect();
    await holder.query(`
      CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(${LOCK_CLASS}, TG_ARGV[0]::int);
        RETURN NULL;
      END $$`);
    for (const [index, spec] of specs.entries()) await holder.query(triggerOf(spec, index));
    return new DatabaseGates(holder, specs);
  }

  async close(spec: GateSpec): Promise<void> {
    await this.holder.query('SELECT pg_advisory_lock($1, $2)', [LOCK_CLASS, this.indexOf(spec)]);
  }

  /** Somebody stands in front of the gate. */
  async isReached(spec: GateSpec): Promise<boolean> {
    return (await this.waiting(spec)).length > 0;
  }

  /**
   * After the client's death: what was not committed is rolled back, as a server does that notices it; a COMMIT that was
   * sent takes effect though nobody reads its answer.
   */
  async open(spec: GateSpec): Promise<void> {
    const pids = await this.waiting(spec);
    if (spec.moment === 'row') await this.holder.query('SELECT pg_terminate_backend(unnest($1::int[]))', [pids]);
    await eventually(async () => spec.moment === 'commit' || !(await this.isReached(spec)));
    await this.holder.query('SELECT pg_advisory_unlock($1, $2)', [LOCK_CLASS, this.indexOf(spec)]);
  }

  async remove(): Promise<void> {
    await this.holder.end();
  }

  private async waiting(spec: GateSpec): Promise<number[]> {
    const { rows } = await this.holder.query<{ pid: number }>(
      `SELECT pid FROM pg_locks
        WHERE locktype = 'advisory' AND NOT granted AND classid = $1 AND objid = $2
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [LOCK_CLASS, this.indexOf(spec)],
    );
    return rows.map(({ pid }) => pid);
  }

  private indexOf(spec: GateSpec): number {
    const index = this.specs.indexOf(spec);
    if (index < 0) throw new Error('This gate was not installed');
    return index;
  }
}

function triggerOf({ table, on, when, moment }: GateSpec, index: number): string {
  const [kind, timing] = moment === 'row' ? ['', ''] : ['CONSTRAINT', 'DEFERRABLE INITIALLY DEFERRED'];
  const condition = when === '' ? '' : `WHEN (${when})`;
  return `CREATE ${kind} TRIGGER gate_${index} AFTER ${on} ON ${table} ${timing}
          FOR EACH ROW ${condition} EXECUTE FUNCTION wait_at_gate(${index})`;
}
