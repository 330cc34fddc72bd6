import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Proof } from '../crash/proof.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { TestClock } from '../support/test-clock.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually } from '../support/world.js';

const proof = new Proof('webhooks: outage');
const EVENTS = proof.size(300, 10_000);
const INSTANCES = Math.ceil(EVENTS / 50);
const HOUR_MS = 3_600_000;

describe('a receiver that is down for six hours', () => {
  let database: TestDatabase;
  let receiver: WebhookReceiver;
  let clock: TestClock;
  let writer: LogReplica;
  let replicas: LogReplica[];

  const startReplica = () =>
    LogReplica.start({ databaseUrl: database.url, clock, env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    clock = new TestClock();
    writer = await LogReplica.start({ databaseUrl: database.url, clock, sends: false });
    replicas = [await startReplica(), await startReplica()];
  });

  afterAll(async () => {
    await Promise.all([...replicas, writer].map((replica) => replica.stop()));
    await receiver.stop();
    await database.drop();
  });

  it(`gets all ${EVENTS} events in order within a minute of its return, although no try is left to chance`, async () => {
    receiver.answer = () => 503;
    const written: string[] = [];
    for (let step = 0; step < 12; step += 1) {
      for (let count = 0; count < EVENTS / 12; count += 1) {
        const event = await writer.write(`inst-${written.length % INSTANCES}`, { webhookUrl: receiver.url });
        written.push(event.id);
      }
      clock.skip(HOUR_MS / 2);
      const before = receiver.received.length;
      // Each half hour the receiver is asked once whether it is back, and no more.
      await eventually(async () => receiver.received.length > before, 60_000);
      proof.progress(`${written.length} of ${EVENTS} events written, ${(step + 1) / 2} of 6 hours down`);
      if (step === 6) await replicas.shift()?.stop();
    }
    const triesDuringOutage = receiver.received.length;

    const returnedAt = Date.now();
    receiver.answer = () => 204;
    receiver.received.length = 0;
    clock.skip(5 * 60_000);
    await eventually(async () => {
      const arrived = new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size;
      proof.progress(`back, and ${arrived} of ${written.length} events have arrived`);
      return arrived === written.length;
    }, 60_000);

    const drainedMs = Date.now() - returnedAt;
    proof.result({
      events: written.length,
      tries_in_six_hours: triesDuringOutage,
      drained_seconds: drainedMs / 1000,
      repeated: receiver.received.length - written.length,
      inversions: inversions(receiver),
    });
    expect(drainedMs).toBeLessThanOrEqual(60_000);
    const firsts = [...new Set(receiver.received.map(({ headers }) => String(headers['webhook-id'])))];
    expect(firsts.toSorted()).toEqual(written.toSorted());
    expect(inversions(receiver)).toBe(0);
    expect(triesDuringOutage).toBeLessThan(60);
  }, 600_000);

  it('has used no tries for the time in which it was known to be down', async () => {
    const most = Math.max(...receiver.received.map(({ headers }) => Number(headers['webhook-attempt'])));

    expect(most).toBeLessThanOrEqual(6);
  });
});

function inversions(receiver: WebhookReceiver): number {
  const last = new Map<string, number>();
  let count = 0;
  for (const { body, headers } of receiver.received) {
    const [instanceId, sequence] = [String(body['instanceId']), Number(headers['webhook-sequence'])];
    if (sequence > (last.get(instanceId) ?? 0) + 1) count += 1;
    last.set(instanceId, Math.max(sequence, last.get(instanceId) ?? 0));
  }
  return count;
}
