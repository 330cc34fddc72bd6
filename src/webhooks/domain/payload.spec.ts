import { describe, expect, it } from '@jest/globals';
import { NOTIFIED_TYPES } from '../../events/event.js';
import { webhookBody } from './payload.js';

const OCCURRED_AT = new Date('2026-01-15T10:30:00Z');
const SHORT = { ssh: 'ssh root@a.example', jupyter: 'https://a.example:8888' };

describe('webhookBody', () => {
  it.each(['x', '"', '\u0007', '漢', '😀', '\ud800'])(
    'never exceeds 20,000 bytes, however long the upstream’s %j',
    (text) => {
      const long = text.repeat(50_000);
      const instance = { id: 'inst-a', name: '"'.repeat(255), status: 'running' };

      for (const type of NOTIFIED_TYPES) {
        for (const length of [400, 1_000, 50_000]) {
          const address = long.slice(0, length);
          const body = webhookBody({
            type,
            occurredAt: OCCURRED_AT,
            instance: { ...instance, connectionDetails: { ssh: address, jupyter: address } },
            error: { code: 'STARTUP_TIMEOUT', message: long },
          });
          expect(Buffer.byteLength(body)).toBeLessThanOrEqual(20_000);
        }
      }
    },
  );

  it('gives addresses whole or not at all', () => {
    const details = { ...SHORT, jupyter: `https://a.example/${'x'.repeat(5_000)}` };
    const instance = { id: 'inst-a', name: 'a', status: 'running', connectionDetails: details };

    const body: unknown = JSON.parse(webhookBody({ type: 'instance.ready', occurredAt: OCCURRED_AT, instance }));

    expect(body).toMatchObject({ instance: { connectionDetails: { ssh: SHORT.ssh } } });
    expect(JSON.stringify(body)).not.toContain('jupyter');
  });
});
