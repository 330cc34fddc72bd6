import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { EventCursor } from '../../src/events/domain/cursor.js';
import { EventsRepository } from '../../src/events/events.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica, TEAM } from '../support/log-replica.js';
import { eventually } from '../support/world.js';

const BEGINNING: EventCursor = { txId: 0n, position: 0n };
const ALL = { teamId: TEAM, types: null };
const WRITERS = 40;

describe('reading the log by cursor', () => {
  let database: TestDatabase;
  let replica: LogReplica;
  let events: EventsRepository;
  const clients: pg.Client[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    replica = await LogReplica.start({ databaseUrl: database.url });
    events = replica.get(EventsRepository);
  });

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await replica.stop();
    await database.drop();
  });

  const connect = async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    clients.push(client);
    return client;
  };

  const insert = (client: pg.Client, instanceId: string, sequence: number) =>
    client.query(
      `INSERT INTO events (id, instance_id, team_id, sequence, type, actor, to_phase, occurred_at)
       VALUES ($1 || '-' || $2, $1, $3, $2::int, 'instance.progressed', 'service', 'running', now())`,
      [instanceId, String(sequence), TEAM],
    );

  const readAll = async (from: EventCursor) => {
    const page = await events.listAfter(from, ALL, 500);
    return { ids: page.events.map(({ id }) => id), next: page.next, isUnsettled: page.isUnsettled };
  };

  it('waits for a transaction that is still open instead of passing it', async () => {
    const [early, late] = [await connect(), await connect()];
    const { next: start } = await readAll(BEGINNING);
    await early.query('BEGIN');
    await insert(early, 'early', 1);
    await insert(late, 'late', 1);

    const meanwhile = await readAll(start);
    await early.query('COMMIT');
    const afterwards = await eventually(async () => {
      const page = await readAll(meanwhile.next);
      return page.ids.length === 2 && page;
    });

    expect(meanwhile.ids).toEqual([]);
    expect(meanwhile.isUnsettled).toBe(true);
    expect(afterwards.ids).toEqual(['early-1', 'late-1']);
  });

  it('gives every event once and never goes back, whatever the order of commits', async () => {
    const writers = await Promise.all(Array.from({ length: 8 }, connect));
    let { next } = await readAll(BEGINNING);
    const seen: string[] = [];
    let isWriting = true;

    const writing = Promise.all(
      writers.map(async (client, writer) => {
        for (let sequence = 1; sequence <= WRITERS; sequence += 1) {
          await client.query('BEGIN');
          await insert(client, `w${writer}`, sequence);
          await client.query('SELECT pg_sleep($1)', [Math.random() * 0.02]);
          await client.query(sequence % 10 === 0 ? 'ROLLBACK' : 'COMMIT');
        }
      }),
    ).finally(() => (isWriting = false));
    while (isWriting) {
      const page = await readAll(next);
      seen.push(...page.ids);
      next = page.next;
    }
    await writing;
    const expected = writers.flatMap((_, writer) =>
      Array.from({ length: WRITERS }, (__, index) => index + 1)
        .filter((sequence) => sequence % 10 !== 0)
        .map((sequence) => `w${writer}-${sequence}`),
    );
    await eventually(async () => {
      const page = await readAll(next);
      seen.push(...page.ids);
      next = page.next;
      return seen.length >= expected.length;
    });

    expect(seen.toSorted()).toEqual(expected.toSorted());
    expect(seen).toEqual((await readAll(BEGINNING)).ids.filter((id) => id.startsWith('w')));
  });

  it('goes on in a database that was restored and counts its transactions from the start', async () => {
    const client = await connect();
    const { ids: before, next } = await readAll(BEGINNING);
    await client.query('UPDATE events SET tx_id = tx_id + 1000000000');

    const hidden = await readAll(BEGINNING);
    await events.settleClock();
    await insert(client, 'restored', 1);

    const after = await eventually(async () => {
      const page = await readAll(BEGINNING);
      return page.ids.includes('restored-1') && page;
    });
    expect(hidden.ids).toEqual([]);
    expect(after.ids).toEqual([...before, 'restored-1']);
    expect(after.next.txId).toBeGreaterThan(next.txId);
  });
});
