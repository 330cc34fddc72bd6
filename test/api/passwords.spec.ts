import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { eventually, World } from '../support/world.js';

interface Details {
  readonly status: string;
  readonly connectionDetails: { readonly ssh?: string; readonly sshPassword?: string };
}

jest.setTimeout(120_000);

describe('the password of a machine', () => {
  let world: World;
  let path: string;
  let password: string;

  beforeAll(async () => {
    world = await World.start({ env: { SECRETS_KEY: 'a-key-that-is-not-in-the-database' } });
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder());
    path = `/api/instances/${body.instanceId}`;
    const details = await eventually(async () => {
      const answer = await world.service.get<Details>(path);
      return answer.body.status === 'running' && answer.body;
    }, 60_000);
    password = details.connectionDetails.sshPassword ?? '';
  });

  afterAll(() => world.stop());

  const shown = async () => (await world.service.get<Details>(path)).body.connectionDetails;

  it('is shown to its user and stands in no row of any table', async () => {
    const tables = await rowsOf(
      world.database,
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
      WHERE schemaname IN ('public', 'pgboss')`,
    );

    const found: unknown[] = [];
    for (const { name } of tables)
      found.push(
        ...(await rowsOf(world.database, `SELECT 1 FROM ${String(name)} t WHERE strpos(t::text, '${password}') > 0`)),
      );

    expect(password).toMatch(/^[\w-]{16}$/);
    expect(tables.length).toBeGreaterThan(15);
    expect(found).toEqual([]);
    expect((await world.service.get<{ instances: object[] }>('/api/instances')).body.instances).toHaveLength(1);
  });

  it('is still read from a row of an earlier version, where it stands as it is', async () => {
    await rowsOf(
      world.database,
      `UPDATE instances SET connection =
      connection - 'sealedSshPassword' || '{"sshPassword": "of-an-earlier-version"}', version = version + 1`,
    );

    expect(await shown()).toMatchObject({ sshPassword: 'of-an-earlier-version' });
  });

  it('is left out, and nothing else, when no key opens it', async () => {
    const sealedElsewhere = '{"sshPassword": null, "sealedSshPassword": "1.00000000.AAAA"}';
    await rowsOf(
      world.database,
      `UPDATE instances SET connection = connection || '${sealedElsewhere}', version = version + 1`,
    );

    const details = await shown();

    expect(details.sshPassword).toBeUndefined();
    expect(details.ssh).toMatch(/^ssh /);
  });
});
