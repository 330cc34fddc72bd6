import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { DeliveriesRepository } from '../../src/webhooks/deliveries.repository.js';
import { type AttemptRecord, DeliveryRepository } from '../../src/webhooks/delivery.repository.js';
import { aFailedTry } from '../builders/a-failed-try.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica, TEAM } from '../support/log-replica.js';

const RECEIVERS = 60;
const EVENTS_EACH = 10;
const ROUNDS = 20;
const LEASE_MS = 60_000;

/** Two statements that lock the same rows in another order would each wait for the other, and the database would end one. */
describe('statements that meet on the same rows', () => {
  let database: TestDatabase;
  let replica: LogReplica;
  let deliveries: DeliveryRepository;
  let held: { id: string; token: string }[];
  let records: AttemptRecord[];

  beforeAll(async () => {
    database = await createTestDatabase();
    replica = await LogReplica.start({ databaseUrl: database.url, sends: false });
    deliveries = replica.get(DeliveryRepository);
    for (let event = 0; event < EVENTS_EACH; event += 1)
      await Promise.all(
        Array.from({ length: RECEIVERS }, (_, index) =>
          replica.write(`inst-${index}`, { webhookUrl: `https://1.1.1.1/${index}` }),
        ),
      );
    const claim = { now: new Date(), limit: RECEIVERS, leaseMs: LEASE_MS, failing: false, afterId: '' };
    held = (await deliveries.claimEndpoints(claim)).map(({ id, token }) => ({ id, token }));
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ id: string; endpoint_id: string }>(
      'SELECT id, endpoint_id FROM webhook_deliveries ORDER BY id DESC',
    );
    await client.end();
    const tokens = new Map(held.map(({ id, token }) => [id, token]));
    records = rows.map(({ id, endpoint_id: endpointId }) =>
      aFailedTry({ deliveryId: id, endpointId, token: tokens.get(endpointId) ?? '' }),
    );
  });

  afterAll(async () => {
    await replica.stop();
    await database.drop();
  });

  const inRounds = async (work: () => Promise<unknown>) => {
    for (let round = 0; round < ROUNDS; round += 1) await work();
  };

  it('never end each other: what was sent is noted while claims are renewed', async () => {
    const backwards = held.toReversed();

    await Promise.all([
      inRounds(() => deliveries.record(records.slice(0, 200), LEASE_MS, new Date())),
      inRounds(() => deliveries.renew(backwards, LEASE_MS)),
      inRounds(() => deliveries.renew(held, LEASE_MS)),
    ]);

    expect((await deliveries.renew(held, LEASE_MS)).size).toBe(RECEIVERS);
  });

  it('never end each other: what was sent is noted while all of it is sent again', async () => {
    const again = () =>
      replica
        .get(UnitOfWork)
        .run((tx) => replica.get(DeliveriesRepository).redeliver({ teamId: TEAM }, new Date(), 10_000, tx));

    const [written] = await Promise.all([
      inRounds(() => deliveries.record(records.slice(0, 200), LEASE_MS, new Date())).then(() => true),
      inRounds(again),
      inRounds(() => deliveries.record(records.slice(200, 400), LEASE_MS, new Date())),
    ]);

    expect(written).toBe(true);
  });
});
