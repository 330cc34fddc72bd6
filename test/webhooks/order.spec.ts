import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isProof, Proof } from '../crash/proof.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { TestClock } from '../support/test-clock.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually } from '../support/world.js';

const proof = new Proof('webhooks: order');
const INSTANCES = proof.size(30, 500);
const EVENTS_EACH = isProof ? 100 : 10;
const REPLICAS = 4;

describe('the order of events', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let replicas: LogReplica[];

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    // Sixty times as fast: a second try comes after a tenth of a second and a third after five.
    const clock = new TestClock(60);
    const options = {
      databaseUrl: database.url,
      clock,
      env: { WEBHOOK_ALLOWED_HOSTS: receiver.host, DATABASE_POOL_SIZE: '6' },
    };
    replicas = await Promise.all(Array.from({ length: REPLICAS }, () => LogReplica.start(options)));
  });

  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await receiver.stop();
    await database.drop();
  });

  it(`holds inside each of ${INSTANCES} instances over ${REPLICAS} replicas while one answer in twenty is a 500`, async () => {
    const delivered = new Map<string, number[]>();
    const chance = new SeededRandom(proof.seed);
    let refused = 0;
    receiver.answer = ({ body, headers }) => {
      if (chance.fraction() < 0.05) {
        refused += 1;
        return 500;
      }
      const instanceId = String(body['instanceId']);
      const known = delivered.get(instanceId) ?? [];
      const sequence = Number(headers['webhook-sequence']);
      if (!known.includes(sequence)) delivered.set(instanceId, [...known, sequence]);
      return 204;
    };

    await Promise.all(
      replicas.map(async (replica, index) => {
        for (let sequence = 0; sequence < EVENTS_EACH; sequence += 1) {
          for (let instance = index; instance < INSTANCES; instance += REPLICAS)
            await replica.write(`inst-${instance}`, { webhookUrl: `${receiver.url}/${instance % 5}` });
          proof.progress(`${sequence + 1} of ${EVENTS_EACH} events of each instance written`);
        }
      }),
    );

    const whole = Array.from({ length: EVENTS_EACH }, (_, index) => index + 1);
    await eventually(
      async () => {
        const complete = [...delivered.values()].filter(({ length }) => length === EVENTS_EACH).length;
        proof.progress(`all written; ${complete} of ${INSTANCES} instances complete`);
        return complete === INSTANCES;
      },
      isProof ? 900_000 : 60_000,
    );
    proof.result({ instances: INSTANCES, events: INSTANCES * EVENTS_EACH, replicas: REPLICAS, refused });
    for (const sequences of delivered.values()) expect(sequences).toEqual(whole);
  }, 1_800_000);
});

describe('an event that its receiver does not want', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let replica: LogReplica;
  const clock = new TestClock(60);

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    const env = { WEBHOOK_ALLOWED_HOSTS: receiver.host };
    replica = await LogReplica.start({ databaseUrl: database.url, clock, env });
  });

  afterAll(async () => {
    await replica.stop();
    await receiver.stop();
    await database.drop();
  });

  it('steps aside after three refusals, and the ones behind it arrive', async () => {
    let refused = '';
    receiver.answer = ({ headers }) => {
      if (refused === '') refused = String(headers['webhook-id']);
      return headers['webhook-id'] === refused ? 422 : 204;
    };
    const first = await replica.write('inst-a', { webhookUrl: receiver.url });
    const second = await replica.write('inst-a', { webhookUrl: receiver.url });

    await eventually(async () => receiver.received.some(({ headers }) => headers['webhook-id'] === second.id), 25_000);

    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids.slice(0, 4)).toEqual([first.id, first.id, first.id, second.id]);
  });
});
