import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { eventually, World } from '../support/world.js';

interface Verification {
  readonly isIntact: boolean;
  readonly seals: number;
  readonly entries: number;
  readonly hasMore: boolean;
  readonly through?: { readonly number: number; readonly hash: string };
  readonly broken?: { readonly number: number; readonly reason: string };
}

const ORDERS = 40;
const TABLES = ['audit_entries', 'audit_seals'];

jest.setTimeout(180_000);

describe('the seals of the audit trail', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({ replicas: 2 });
    for (const half of [0, 1]) {
      const order = (index: number) =>
        world.services[index % 2]!.post('/api/instances', anOrder({ name: `order-${half}-${index}` }));
      await Promise.all(Array.from({ length: ORDERS / 2 }, (_, index) => order(index)));
      await untilSealed();
    }
    for (const table of TABLES) await rowsOf(world.database, `CREATE TABLE ${table}_kept AS TABLE ${table}`);
  });

  afterEach(async () => {
    for (const table of TABLES) await change(`DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM ${table}_kept`);
  });

  afterAll(() => world.stop());

  const verify = async (query = '') => (await world.service.get<Verification>(`/api/audit/verification?${query}`)).body;
  const change = (statement: string) =>
    rowsOf(
      world.database,
      `BEGIN; ALTER TABLE audit_entries DISABLE TRIGGER USER; ALTER TABLE audit_seals DISABLE TRIGGER USER;
       ${statement}; ALTER TABLE audit_entries ENABLE TRIGGER USER; ALTER TABLE audit_seals ENABLE TRIGGER USER; COMMIT`,
    );
  const inTheMiddle = `position = (SELECT position FROM audit_entries WHERE action = 'createInstance' ORDER BY position OFFSET 9 LIMIT 1)`;

  async function untilSealed(): Promise<void> {
    await eventually(async () => {
      const [open] = await rowsOf(
        world.database,
        `SELECT count(*)::int AS left FROM audit_entries WHERE (tx_id, position) >
           (SELECT coalesce(max(through_tx_id), 0), coalesce((array_agg(through_position ORDER BY number DESC))[1], 0) FROM audit_seals)`,
      );
      return open?.['left'] === 0;
    }, 60_000);
  }

  it('cover every entry once, in one chain, whichever replica makes them', async () => {
    const found = await verify();
    const [{ entries } = {}] = await rowsOf(world.database, 'SELECT count(*)::int AS entries FROM audit_entries');

    expect(found).toMatchObject({ isIntact: true, entries, hasMore: false });
    expect(found.entries).toBeGreaterThanOrEqual(ORDERS + 2);
    expect(found.seals).toBeGreaterThanOrEqual(2);
    const tail = await verify('afterSeal=1');
    expect(tail).toMatchObject({ isIntact: true, seals: found.seals - 1, through: found.through });
    expect(await verify('limit=1')).toMatchObject({ isIntact: true, seals: 1, hasMore: true });
    const said = world.services.flatMap(({ lines }) => lines).join('\n');
    expect(said).toContain(found.through?.hash ?? 'nothing');
  });

  it.each([
    ['an entry is changed', `UPDATE audit_entries SET actor = 'somebody else' WHERE ${inTheMiddle}`, /changed/],
    ['an entry is taken out', `DELETE FROM audit_entries WHERE ${inTheMiddle}`, /made over \d+ entries/],
    [
      'an entry is put in',
      `INSERT INTO audit_entries (position, tx_id, at, actor, action, method, route, outcome, request_id, ip)
       SELECT -1, tx_id, at, 'forged', action, method, route, outcome, request_id, ip FROM audit_entries WHERE ${inTheMiddle}`,
      /made over \d+ entries/,
    ],
    ['entries change places', `UPDATE audit_entries SET tx_id = tx_id + 1 WHERE ${inTheMiddle}`, /./],
    ['a seal is taken out', 'DELETE FROM audit_seals WHERE number = 1', /seal before it, 1, is missing/],
    ['a seal is made anew', "UPDATE audit_seals SET hash = repeat('a', 64) WHERE number = 1", /changed/],
  ])('tell when %s', async (_, statement, reason) => {
    await change(statement);

    const { isIntact, broken } = await verify();

    expect(isIntact).toBe(false);
    expect(broken?.reason).toMatch(reason);
  });
});
