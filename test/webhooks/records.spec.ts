import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { type AttemptRecord, DeliveryRepository } from '../../src/webhooks/delivery.repository.js';
import { cancelPending } from '../../src/webhooks/waiting-deliveries.js';
import { aFailedTry } from '../builders/a-failed-try.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';

const LEASE_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
/** More than two statements take at once. */
const MANY = 10_050;
const AT = new Date('2026-11-01T12:00:00Z');

describe('what is noted of tries', () => {
  let database: TestDatabase;
  let replica: LogReplica;
  let deliveries: DeliveryRepository;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    replica = await LogReplica.start({ databaseUrl: database.url, sends: false });
    deliveries = replica.get(DeliveryRepository);
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await replica.stop();
    await database.drop();
  });

  const claimedWith = async (path: string, events: number) => {
    const webhookUrl = `https://1.1.1.1/${path}`;
    for (let count = 0; count < events; count += 1) await replica.write(`inst-${path}-${count}`, { webhookUrl });
    const claim = { now: new Date(), limit: 100, leaseMs: LEASE_MS, failing: false, afterId: '' };
    const [endpoint] = (await deliveries.claimEndpoints(claim)).filter(({ url }) => url === webhookUrl);
    const due = await deliveries.loadDue([{ endpointId: endpoint?.id ?? '', afterInstanceId: '' }], new Date());
    const record = (index: number, more: Partial<AttemptRecord>): AttemptRecord => ({
      ...aFailedTry(
        { endpointId: endpoint?.id ?? '', token: endpoint?.token ?? '', deliveryId: due[0]?.[index]?.id ?? '' },
        AT,
      ),
      ...more,
    });
    return { id: endpoint?.id ?? '', record };
  };

  it('switches a receiver off that answered 410, whatever its other answers of that moment were', async () => {
    const { id, record } = await claimedWith('gone', 4);

    await deliveries.record(
      [
        record(0, {}),
        record(1, { status: 410, class: 'gone', disabledBecause: 'gone' }),
        record(2, {}),
        record(3, { state: 'delivered', status: 204, class: null, nextAttemptAt: null }),
      ],
      LEASE_MS,
      new Date(),
    );

    const { rows } = await client.query(
      `SELECT state, disabled_reason, disabled_at, last_success_at, last_failure_at FROM webhook_endpoints WHERE id = $1`,
      [id],
    );
    const audit = await client.query(`SELECT action, error_code FROM audit_entries WHERE target = $1`, [id]);
    expect(rows).toEqual([
      { state: 'disabled', disabled_reason: 'gone', disabled_at: AT, last_success_at: AT, last_failure_at: AT },
    ]);
    expect(audit.rows).toEqual([{ action: 'disableWebhook', error_code: 'gone' }]);
  });

  it('makes all that waits due in the same commit that says that the receiver is back', async () => {
    const { id, record } = await claimedWith('back', 1);
    await pile(id, MANY);

    const success = { state: 'delivered', status: 204, class: null, nextAttemptAt: null, pullsForward: true } as const;
    await deliveries.record([record(0, success)], LEASE_MS, new Date());

    expect(await waitingOf(id)).toEqual({ due: MANY, later: 0 });
  });

  it('leaves what waits alone when the receiver has passed to another replica', async () => {
    const { id, record } = await claimedWith('lost', 1);
    await pile(id, 3);

    const success = { state: 'delivered', status: 204, class: null, nextAttemptAt: null, pullsForward: true } as const;
    const written = await deliveries.record([record(0, { ...success, token: '0' })], LEASE_MS, new Date());

    expect(written).toEqual([false]);
    expect(await waitingOf(id)).toEqual({ due: 1, later: 3 });
  });

  it('cancels all that waits for a receiver that is deleted', async () => {
    const { id } = await claimedWith('deleted', 1);
    await pile(id, MANY);

    await replica.get(UnitOfWork).run((tx) => cancelPending(id, tx));

    expect(await waitingOf(id)).toEqual({ due: 0, later: 0 });
  });

  /** Heads of as many instances' lines that wait for tomorrow. */
  const pile = async (endpointId: string, count: number) => {
    await client.query(
      `WITH made AS (
         INSERT INTO events (id, instance_id, team_id, sequence, type, actor, to_phase, data, body, occurred_at)
         SELECT 'evt_' || $1 || n, 'inst-' || $1 || n, 'default', 1, 'instance.ready', 'service', 'running', '{}', '{}', now()
           FROM generate_series(1, $2::int) n RETURNING id, instance_id)
       INSERT INTO webhook_deliveries (id, event_id, endpoint_id, team_id, instance_id, sequence, created_at, next_attempt_at)
       SELECT 'dlv_' || id, id, $1, 'default', instance_id, 1, now(), $3 FROM made`,
      [endpointId, count, new Date(Date.now() + DAY_MS)],
    );
  };

  const waitingOf = async (endpointId: string) => {
    const { rows } = await client.query<{ due: number; later: number }>(
      `SELECT count(*) FILTER (WHERE next_attempt_at <= now())::int AS due,
              count(*) FILTER (WHERE next_attempt_at > now())::int AS later
         FROM webhook_deliveries WHERE endpoint_id = $1 AND state = 'pending'`,
      [endpointId],
    );
    return rows[0];
  };
});
