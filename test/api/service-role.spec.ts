import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { eventually, World } from '../support/world.js';
import { bearer, BOOTSTRAP, makeKey } from './teams.js';

jest.setTimeout(180_000);

/** Roles belong to the server, which all test databases share. */
const ROLE = `gpu_service_${randomBytes(4).toString('hex')}`;

describe('a service whose role may only add to the audit trail', () => {
  let world: World;
  let roleUrl: string;

  beforeAll(async () => {
    // The owner's service makes the job queue's tables.
    world = await World.start({ env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    await eventually(async () => (await world.service.get('/health/ready')).status === 200, 60_000);
    await world.service.stop();
    await rowsOf(world.database, `CREATE ROLE ${ROLE} LOGIN PASSWORD 'of-the-tests'`);
    const grants = readFileSync('deploy/postgres/service-role.sql', 'utf8').replaceAll('gpu_service', ROLE);
    await rowsOf(world.database, grants);
    const url = new URL(world.database.url);
    url.username = ROLE;
    url.password = 'of-the-tests';
    roleUrl = url.toString();
  });

  afterAll(async () => {
    await Promise.all(world.services.map((service) => service.stop('SIGKILL')));
    await rowsOf(world.database, `DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`);
    await world.stop();
  });

  it('does all its work: orders, brings up, deletes, audits and seals', async () => {
    const service = await world.addService({ DATABASE_URL: roleUrl });
    const { key } = await makeKey(service, BOOTSTRAP, { teamId: 'ml', scopes: ['admin'] });
    const { body } = await service.post<{ instanceId: string }>('/api/instances', anOrder(), bearer(key));
    const path = `/api/instances/${body.instanceId}`;
    const statusOf = async () => (await service.get<{ status: string }>(path, bearer(key))).body.status;

    await eventually(async () => (await statusOf()) === 'running', 60_000);
    await service.send('DELETE', path, undefined, bearer(key));
    await eventually(async () => (await service.get(path, bearer(key))).status === 404, 60_000);

    const verified = await eventually(async () => {
      const answer = await service.get<{ isIntact: boolean; entries: number }>('/api/audit/verification', bearer(key));
      return answer.body.entries >= 4 && answer.body;
    }, 60_000);
    expect(verified.isIntact).toBe(true);
    expect(service.lines.filter((line) => line.includes('permission denied'))).toEqual([]);
  });

  it.each([
    "UPDATE audit_entries SET actor = 'nobody'",
    'DELETE FROM audit_entries',
    'TRUNCATE audit_entries',
    'ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_append_only',
    "UPDATE audit_seals SET hash = ''",
    'DELETE FROM audit_seals',
    'DROP TABLE audit_seals',
  ])('cannot change what was written: %s', async (statement) => {
    await expect(rowsOf({ url: roleUrl }, statement)).rejects.toThrow(/permission denied|must be owner/);
  });
});
