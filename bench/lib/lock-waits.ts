import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const LOOK_EVERY_MS = 3;

/** Longest sighting of each wait: `waitstart` tells one wait of a process from its next. */
const WAITS = `SELECT pid || ' ' || waitstart AS id, extract(epoch FROM clock_timestamp() - waitstart) * 1000 AS ms
  FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL
   AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`;

/** Looks again and again at who waits for a lock, and how long, while something else is done. */
export class LockWaits {
  private readonly longestMs = new Map<string, number>();
  private isWatching = true;

  async watch(databaseUrl: string): Promise<void> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    while (this.isWatching) {
      const { rows } = await client.query<{ id: string; ms: string }>({ name: 'waits', text: WAITS });
      for (const { id, ms } of rows) this.longestMs.set(id, Math.max(Number(ms), this.longestMs.get(id) ?? 0));
      await sleep(LOOK_EVERY_MS);
    }
    await client.end();
  }

  stop(): void {
    this.isWatching = false;
  }

  longerThan(ms: number): number {
    return [...this.longestMs.values()].filter((longest) => longest > ms).length;
  }
}
