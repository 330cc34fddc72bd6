import { expect, it } from '@jest/globals';
import { SystemClock } from '../platform/clock.js';
import type { Settings } from '../platform/config.js';
import { formatApiKey, newSecret } from '../platform/http/auth/api-key.js';
import { KeyAuthenticator } from './key-authenticator.js';
import type { KeysRepository } from './keys.repository.js';

class NoKeys {
  statements = 0;

  async findAll(ids: readonly string[]): Promise<null[]> {
    this.statements += 1;
    await new Promise((resolve) => setImmediate(resolve));
    return ids.map(() => null);
  }
}

it('looks up all invented keys that come at once by a few statements, one after the other', async () => {
  const keys = new NoKeys();
  const settings = { bootstrapAdminKey: null, apiKeyEnvironment: 'live' } as Settings;
  const authenticator = new KeyAuthenticator(keys as unknown as KeysRepository, new SystemClock(), settings);
  const invented = Array.from({ length: 400 }, (_, index) =>
    formatApiKey('live', `key${String(index).padStart(16, '0')}`, newSecret()),
  );

  const holders = await Promise.all(invented.map(async (key) => authenticator.identify(key)));

  expect(holders.every((holder) => holder === null)).toBe(true);
  expect(keys.statements).toBeLessThanOrEqual(2);
});
