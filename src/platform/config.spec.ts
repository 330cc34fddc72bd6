import { describe, expect, it } from '@jest/globals';
import { loadSettings, secretsIn, withoutSecrets } from './config.js';

const SECRETS = {
  NOVITA_API_KEY: 'canary-novita-key',
  WEBHOOK_SECRET: 'canary-webhook-secret',
  SECRETS_KEY: 'canary-secrets-key',
  BOOTSTRAP_ADMIN_KEY: 'canary-bootstrap-key',
  DATABASE_URL: 'postgresql://user:canary%2Ddatabase@127.0.0.1/x',
  REDIS_URL: 'redis://:canary-redis-password@127.0.0.1:6379',
};

describe('the secrets among the settings', () => {
  it('are all named, in each spelling in which something might print them', () => {
    const known = secretsIn(loadSettings(SECRETS));

    expect(known).toEqual(
      expect.arrayContaining([
        'canary-novita-key',
        'canary-webhook-secret',
        'canary-secrets-key',
        'canary-bootstrap-key',
        'canary%2Ddatabase',
        'canary-database',
        'canary-redis-password',
      ]),
    );
  });

  it('leave a short password to stand in other words', () => {
    const known = secretsIn(loadSettings({ ...SECRETS, DATABASE_URL: 'postgresql://novita:novita@127.0.0.1/x' }));

    expect(known).toContain(':novita@');
    expect(known).not.toContain('novita');
  });

  it('are no part of what may be compared, but for whether they are set', () => {
    const compared = withoutSecrets(loadSettings(SECRETS));
    const { REDIS_URL: _redisUrl, ...fewer } = SECRETS;

    expect(JSON.stringify(compared)).not.toContain('canary');
    expect(compared).toMatchObject({ redisUrl: true, novitaApiKey: true });
    expect(withoutSecrets(loadSettings(fewer))).toMatchObject({ redisUrl: false });
  });

  it('are the only settings whose names speak of one', () => {
    const compared = withoutSecrets(loadSettings(SECRETS)) as Record<string, unknown>;
    const spoken = Object.keys(compared).filter((name) =>
      /key$|secret|password|token|databaseUrl|redisUrl/i.test(name),
    );

    expect(spoken.map((name) => typeof compared[name])).toEqual(spoken.map(() => 'boolean'));
    expect(spoken).toHaveLength(6);
  });
});
