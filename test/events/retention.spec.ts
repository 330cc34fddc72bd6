import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventsService } from '../../src/events/events.service.js';
import { encodeCursor } from '../../src/events/domain/cursor.js';
import { ANONYMOUS } from '../../src/platform/http/caller.js';
import { DeliveriesRepository } from '../../src/webhooks/deliveries.repository.js';
import { LogRetention } from '../../src/webhooks/log-retention.js';
import { WebhooksService } from '../../src/webhooks/webhooks.service.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica, TEAM } from '../support/log-replica.js';
import { TestClock } from '../support/test-clock.js';
import { eventually } from '../support/world.js';

const DAY_MS = 24 * 3_600_000;

describe('the age of the log', () => {
  let database: TestDatabase;
  let replica: LogReplica;
  const clock = new TestClock();

  beforeAll(async () => {
    database = await createTestDatabase();
    replica = await LogReplica.start({ databaseUrl: database.url, clock, env: { EVENTS_RETENTION_DAYS: '7' } });
  });

  afterAll(async () => {
    await replica.stop();
    await database.drop();
  });

  const listed = async () => {
    const page = await replica.get(EventsService).list({ after: null, types: null, limit: 100 }, ANONYMOUS);
    return page.events;
  };

  it('ends after its days, but not for an event that a receiver still waits for', async () => {
    const { endpoint } = await replica
      .get(WebhooksService)
      .subscribe({ url: 'https://1.1.1.1/', eventTypes: ['instance.failed'], enabled: false, headers: {} }, ANONYMOUS);
    const [old, waiting] = [await replica.write('inst-a'), await replica.write('inst-a', { type: 'instance.failed' })];
    clock.skip(8 * DAY_MS);
    const young = await replica.write('inst-a');
    const before = await eventually(async () => {
      const events = await listed();
      return events.length === 3 && events;
    });

    await replica.get(LogRetention).sweep();

    expect(before.map(({ id }) => id)).toEqual([old.id, waiting.id, young.id]);
    expect((await listed()).map(({ id }) => id)).toEqual([waiting.id, young.id]);
    const deliveries = replica.get(DeliveriesRepository);
    expect(await deliveries.list({ teamId: TEAM, webhookId: endpoint.id }, { limit: 9, offset: 0 })).toMatchObject([
      { eventId: waiting.id, status: 'held' },
    ]);
  });

  it('is told to a reader whose next events are gone, instead of skipping them', async () => {
    const [waiting] = await listed();
    clock.skip(31 * DAY_MS);

    await replica.get(LogRetention).sweep();

    expect(await listed()).toEqual([]);
    const service = replica.get(EventsService);
    await expect(service.readCursor(encodeCursor({ txId: 1n, position: 0n }), 'after')).rejects.toMatchObject({
      kind: 'gone',
      code: 'EVENTS_EXPIRED',
    });
    expect(waiting?.type).toBe('instance.failed');
    // Also to one whose place was good when it asked, and was swept before it was read from.
    const query = { after: { txId: 1n, position: 0n }, types: null, limit: 10 };
    await expect(service.list(query, ANONYMOUS)).rejects.toMatchObject({ code: 'EVENTS_EXPIRED' });
  });
});
