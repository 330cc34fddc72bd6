import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World } from '../support/world.js';
import { bearer, BOOTSTRAP, makeKey } from './teams.js';

const KEYS = Number(process.env['IDEMPOTENCY_KEYS'] ?? 40);
const AT_ONCE = 8;
const SENDERS = Number(process.env['IDEMPOTENCY_SENDERS'] ?? 10);
const REPLICAS = Number(process.env['IDEMPOTENCY_REPLICAS'] ?? 3);

jest.setTimeout(Math.max(300_000, KEYS * 3_000));

interface Raw {
  readonly status: number;
  readonly text: string;
  readonly replayed: string | null;
}

/** As bytes, since replays must be equal to the byte. Null when the connection was lost. */
async function create(
  service: ServiceProcess,
  idempotencyKey: string,
  order: unknown,
  headers: Record<string, string>,
): Promise<Raw | null> {
  try {
    const answer = await fetch(`${service.url}/api/instances`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey, ...headers },
      body: JSON.stringify(order),
    });
    return {
      status: answer.status,
      text: await answer.text(),
      replayed: answer.headers.get('idempotency-replayed'),
    };
  } catch {
    return null;
  }
}

/** A machine that has too much to do says 503 and means it: come again. */
async function createSometime(...args: Parameters<typeof create>): Promise<Raw | null> {
  for (;;) {
    const answer = await create(...args);
    if (answer?.status !== 503) return answer;
  }
}

describe('an Idempotency-Key', () => {
  let world: World;
  let own: Record<string, string>;
  let other: Record<string, string>;

  beforeAll(async () => {
    world = await World.start({ replicas: REPLICAS, env: { BOOTSTRAP_ADMIN_KEY: BOOTSTRAP } });
    const scopes = ['instances:read', 'instances:write', 'admin'];
    own = bearer((await makeKey(world.service, BOOTSTRAP, { teamId: 'own', scopes })).key);
    other = bearer((await makeKey(world.service, BOOTSTRAP, { teamId: 'other', scopes })).key);
  });

  afterAll(() => world.stop());

  const namesOf = async (prefix: string) => {
    const { rows } = await query<{ name: string }>('SELECT name FROM instances WHERE name LIKE $1', [`${prefix}%`]);
    return rows.map(({ name }) => name);
  };
  const replica = (index: number) => world.services[index % world.services.length] ?? world.service;

  it('creates once, however many send it to however many replicas, and each is answered the same', async () => {
    const answers: { key: string; answer: Raw | null }[] = [];
    for (let first = 0; first < KEYS; first += AT_ONCE) {
      const round = Array.from({ length: AT_ONCE * SENDERS }, async (_, index) => {
        const key = `race-${first + (index % AT_ONCE)}`;
        answers.push({ key, answer: await createSometime(replica(index), key, anOrder({ name: key }), own) });
      });
      await Promise.all(round);
    }

    const names = await namesOf('race-');
    expect(names.toSorted()).toEqual(Array.from({ length: KEYS }, (_, index) => `race-${index}`).toSorted());
    for (let index = 0; index < KEYS; index += 1) {
      const mine = answers.filter(({ key }) => key === `race-${index}`).map(({ answer }) => answer);
      const created = mine.filter((answer) => answer?.status === 201);
      expect(created.filter((answer) => answer?.replayed === null)).toHaveLength(1);
      expect(new Set(created.map((answer) => answer?.text)).size).toBe(1);
      const others = mine.filter((answer) => answer?.status !== 201).map((answer) => answer?.status);
      expect([...new Set(others)].filter((status) => status !== 409)).toEqual([]);
    }
  });

  it('is answered byte by byte as before, with a mark, whatever the order of the fields', async () => {
    const first = await create(world.service, 'again', anOrder({ name: 'again', gpuNum: 2 }), own);
    const { name, ...rest } = anOrder({ name: 'again', gpuNum: 2 });

    const second = await create(replica(1), 'again', { ...rest, name }, own);

    expect(first).toMatchObject({ status: 201, replayed: null });
    expect(second).toEqual({ ...first, replayed: 'true' });
    expect(await namesOf('again')).toHaveLength(1);
  });

  it('is refused for another request, and means something else to another team', async () => {
    await create(world.service, 'shared', anOrder({ name: 'shared' }), own);

    const changed = await create(world.service, 'shared', anOrder({ name: 'shared', gpuNum: 2 }), own);
    const foreign = await create(world.service, 'shared', anOrder({ name: 'shared' }), other);

    expect([changed?.status, JSON.parse(changed?.text ?? '').error.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect([foreign?.status, foreign?.replayed]).toEqual([201, null]);
    expect(await namesOf('shared')).toHaveLength(2);
  });

  it.each(['', ' ', 'a b', 'é', 'x'.repeat(256), '__proto__'])('is refused when it is %j', async (key) => {
    const answer = await fetch(`${world.service.url}/api/instances`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...own, 'idempotency-key': key },
      body: JSON.stringify(anOrder({ name: 'refused' })),
    });

    expect(answer.status).toBe(400);
    expect(await namesOf('refused')).toEqual([]);
  });

  it('does not keep the answer to a request that was refused', async () => {
    const refused = await create(world.service, 'mended', { name: 'mended' }, own);
    const mended = await create(world.service, 'mended', anOrder({ name: 'mended' }), own);

    expect([refused?.status, mended?.status]).toEqual([400, 201]);
  });

  it('shows a key that was made once again, and the database holds neither the key nor the answer in the open', async () => {
    const send = () =>
      fetch(`${world.service.url}/api/keys`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'a-key-please', ...own },
        body: JSON.stringify({ teamId: 'own', scopes: ['metrics:read'] }),
      });

    const [first, second] = [await (await send()).text(), await (await send()).text()];

    expect(second).toBe(first);
    const { rows } = await query<{ row: string }>(
      "SELECT k::text || encode(k.answer, 'escape') AS row FROM idempotency_keys k",
    );
    const { key } = JSON.parse(first) as { key: string };
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.filter(({ row }) => row.includes(key.slice(26)) || row.includes('a-key-please'))).toEqual([]);
  });

  it('is in flight while its first sender waits, and is then answered as that one was', async () => {
    const sent = create(world.service, 'patient', anOrder({ name: 'patient' }), { ...own, prefer: 'wait=60' });
    await eventually(async () => (await namesOf('patient')).length === 1, 60_000);

    const meanwhile = await create(replica(1), 'patient', anOrder({ name: 'patient' }), own);
    const first = await sent;
    const after = await create(replica(1), 'patient', anOrder({ name: 'patient' }), own);

    // The outcome may have come before the second sender did.
    expect([409, 201]).toContain(meanwhile?.status);
    expect(JSON.parse(first?.text ?? '')).toMatchObject({ status: 'running' });
    expect(after).toEqual({ ...first, replayed: 'true' });
  });

  it('survives a replica that is killed between the commit and the answer', async () => {
    const victim = await world.addService();
    const order = anOrder({ name: 'killed' });
    const lost = create(victim, 'killed', order, { ...own, prefer: 'wait=5' });
    await eventually(async () => (await namesOf('killed')).length === 1, 60_000);

    await victim.stop('SIGKILL');
    world.services.splice(world.services.indexOf(victim), 1);
    await lost;
    const answer = await eventually(async () => {
      const again = await create(world.service, 'killed', order, own);
      return again?.status === 201 && again;
    }, 60_000);

    expect(await namesOf('killed')).toHaveLength(1);
    const again = await create(replica(1), 'killed', order, own);
    expect(again?.text).toBe(answer.text);
  });

  it('survives kills at any moment', async () => {
    const victim = await world.addService();
    const keys = Array.from({ length: 30 }, (_, index) => `kill-${index}`);
    const storm = keys.map((key) => create(victim, key, anOrder({ name: key }), own));
    await eventually(async () => (await namesOf('kill-')).length > 0, 60_000);

    await victim.stop('SIGKILL');
    world.services.splice(world.services.indexOf(victim), 1);
    const before = await Promise.all(storm);
    const after = await Promise.all(keys.map((key) => createSometime(world.service, key, anOrder({ name: key }), own)));

    expect((await namesOf('kill-')).toSorted()).toEqual(keys.toSorted());
    expect(after.every((answer) => answer?.status === 201)).toBe(true);
    // A 503 of a busy machine was no order: there is nothing to repeat.
    for (const [index, answer] of before.entries())
      if (answer?.status === 201) expect(after[index]?.text).toBe(answer.text);
  });

  async function query<R extends pg.QueryResultRow>(statement: string, values: unknown[] = []) {
    const client = new pg.Client({ connectionString: world.database.url });
    await client.connect();
    try {
      return await client.query<R>(statement, values);
    } finally {
      await client.end();
    }
  }
});
