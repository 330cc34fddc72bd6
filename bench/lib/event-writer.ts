import pg from 'pg';

export interface Written {
  readonly id: string;
  /** From just before COMMIT was sent, so that what is measured is never less than what it was. */
  readonly committedAt: number;
}

const BODY = JSON.stringify({
  event: 'instance.started',
  instanceId: 'inst-0000000000000000',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: { status: 'running', connectionDetails: { ssh: 'ssh root@machine.example.com -p 40000' } },
});

const INSERT_EVENTS = `
INSERT INTO events (id, instance_id, team_id, sequence, type, actor, from_phase, to_phase, body, occurred_at)
SELECT $1 || n, 'inst-' || (n % $3), 'default', $4 + n / $3, 'instance.started', 'service', 'starting', 'running', $5, now()
  FROM generate_series(0, $2::int - 1) n`;

const INSERT_DELIVERIES = `
INSERT INTO webhook_deliveries (id, event_id, endpoint_id, team_id, instance_id, sequence, created_at, next_attempt_at)
SELECT 'dlv_' || e.id, e.id, 'whe_' || right(e.instance_id, 1), 'default', e.instance_id, e.sequence, e.occurred_at, e.occurred_at
  FROM events e WHERE e.id = ANY (SELECT $1 || n FROM generate_series(0, $2::int - 1) n)`;

/** Writes events with their deliveries, as another replica would: in one transaction, rows and notification alike. */
export class EventWriter {
  private readonly client: pg.Client;
  private batches = 0;

  private constructor(client: pg.Client) {
    this.client = client;
  }

  /** @param receiver ten receivers share its address, each on a path of its own */
  static async open(databaseUrl: string, receiver: string): Promise<EventWriter> {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query(
      `INSERT INTO webhook_endpoints (id, team_id, kind, url, created_at, updated_at)
       SELECT 'whe_' || n, 'default', 'instance', $1 || '/' || n, now(), now() FROM generate_series(0, 9) n`,
      [receiver],
    );
    return new EventWriter(client);
  }

  /** @param instances over how many instances the events are dealt out in turn */
  async write(count: number, instances: number): Promise<Written[]> {
    const prefix = `evt_${String((this.batches += 1)).padStart(8, '0')}_`;
    await this.client.query('BEGIN');
    await this.client.query({
      name: 'events',
      text: INSERT_EVENTS,
      values: [prefix, count, instances, this.batches * 1_000_000, BODY],
    });
    await this.client.query({ name: 'deliveries', text: INSERT_DELIVERIES, values: [prefix, count] });
    const committedAt = performance.timeOrigin + performance.now();
    await this.client.query('COMMIT');
    return Array.from({ length: count }, (_, n) => ({ id: `${prefix}${n}`, committedAt }));
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}
