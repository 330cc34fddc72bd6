import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, BOOTSTRAP, makeKey } from '../api/teams.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EventStreamClient } from '../support/event-stream-client.js';
import { ServiceProcess } from '../support/service-process.js';
import { eventually, QUICK } from '../support/world.js';

const REVOKED_WITHIN_MS = 5_000;

describe('a stream and the key that it is read with', () => {
  let database: TestDatabase;
  let service: ServiceProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    service = await ServiceProcess.start({
      ...QUICK,
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
      BOOTSTRAP_ADMIN_KEY: BOOTSTRAP,
    });
  });

  afterAll(async () => {
    await service.stop();
    await database.drop();
  });

  it('end together; other keys keep theirs', async () => {
    const admin = await makeKey(service, BOOTSTRAP, { teamId: 'operators', scopes: ['admin'] });
    const [revoked, kept] = [
      await makeKey(service, admin.key, { teamId: 'ml', scopes: ['instances:read'] }),
      await makeKey(service, admin.key, { teamId: 'ml', scopes: ['instances:read'] }),
    ];
    const open = (key: string) =>
      EventStreamClient.open(`${service.url}/api/events/stream`, '', undefined, bearer(key));
    const [ending, also, lasting] = [await open(revoked.key), await open(revoked.key), await open(kept.key)];
    // Longer than a look at all of the keys takes to come round.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const before = [ending, also, lasting].map(({ hasEnded }) => hasEnded);

    await service.send('DELETE', `/api/keys/${revoked.id}`, undefined, bearer(admin.key));
    const revokedAt = Date.now();
    await eventually(async () => ending.hasEnded && also.hasEnded);

    expect(Date.now() - revokedAt).toBeLessThan(REVOKED_WITHIN_MS * 2);
    expect(before).toEqual([false, false, false]);
    expect(lasting.hasEnded).toBe(false);
    lasting.stop();
  });
});
