import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica, TEAM } from '../support/log-replica.js';
import { eventually } from '../support/world.js';

/** More than one replica works on at once. */
const SLOW_RECEIVERS = 290;
const EVENTS_EACH = 60;
const ANSWER_AFTER_MS = 3_000;

describe('a crowd of receivers who take their time, and never fail', () => {
  let database: TestDatabase;
  let server: Server;
  let host: string;
  let replica: LogReplica;
  let slowAnswers = 0;
  let slowAnswersBefore: number | null = null;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = createServer((request, response) => {
      request.resume();
      if (request.url === '/quick') {
        slowAnswersBefore ??= slowAnswers;
        return void response.writeHead(204).end();
      }
      slowAnswers += 1;
      setTimeout(() => response.writeHead(204).end(), ANSWER_AFTER_MS);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    replica = await LogReplica.start({ databaseUrl: database.url, env: { WEBHOOK_ALLOWED_HOSTS: host } });
  });

  afterAll(async () => {
    server.closeAllConnections();
    await replica.stop();
    server.close();
    await database.drop();
  });

  it('leaves room for somebody else before it has got everything', async () => {
    await fill(database.url, host);

    await eventually(async () => slowAnswersBefore !== null, 120_000);

    expect(slowAnswersBefore).toBeGreaterThan(0);
    expect(slowAnswersBefore).toBeLessThan((SLOW_RECEIVERS * EVENTS_EACH) / 2);
  }, 180_000);
});

/** All at once, and the quick one's delivery behind all the others by every order there is. */
async function fill(databaseUrl: string, host: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO webhook_endpoints (id, team_id, kind, url, created_at, updated_at)
     SELECT 'whe_' || n, $1, 'instance', $2 || n, now(), now() FROM generate_series(100, ${99 + SLOW_RECEIVERS}) n
     UNION ALL SELECT 'whe_z', $1, 'instance', $2 || 'quick', now(), now()`,
    [TEAM, `http://${host}/`],
  );
  await client.query(
    `INSERT INTO events (id, instance_id, team_id, sequence, type, actor, to_phase, body, occurred_at)
     SELECT 'evt_' || n, 'inst-' || n, $1, 1, 'instance.started', 'service', 'running', '{}', now()
       FROM generate_series(1, ${EVENTS_EACH}) n`,
    [TEAM],
  );
  await client.query(
    `INSERT INTO webhook_deliveries (id, event_id, endpoint_id, team_id, instance_id, sequence, created_at, next_attempt_at)
     SELECT 'dlv_' || w.id || e.id, e.id, w.id, $1, e.instance_id, 1, now(), now()
       FROM webhook_endpoints w JOIN events e ON w.id <> 'whe_z' OR e.id = 'evt_1'`,
    [TEAM],
  );
  await client.query('COMMIT');
  await client.end();
}
