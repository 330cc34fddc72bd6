import { describe, expect, it } from '@jest/globals';
import { LeasedQuotaStorage } from './leased-quota-storage.js';

const MINUTE_MS = 60_000;

/** One quota as the database would keep it, shared by any number of replicas. */
function setUp(replicas = 1) {
  const time = { now: 1_000 };
  const store = { used: 0, endsAt: 0, asked: 0, away: false };
  const lease = async (_name: string, _key: string, limit: number, windowMs: number, wanted: number) => {
    store.asked += 1;
    if (store.away) throw new Error('Connection terminated unexpectedly');
    if (store.endsAt <= time.now) Object.assign(store, { used: 0, endsAt: time.now + windowMs });
    const granted = Math.max(0, Math.min(wanted, limit - store.used));
    store.used += granted;
    return { granted, used: store.used, endsInMs: store.endsAt - time.now };
  };
  const storages = Array.from({ length: replicas }, () => new LeasedQuotaStorage(lease, () => time.now));
  const hit = (limit: number, replica = 0) => {
    const storage = storages[replica];
    if (storage === undefined) throw new Error('There is no such replica');
    return storage.increment('caller', MINUTE_MS, limit, 0, 'general');
  };
  return { time, store, hit };
}

describe('a quota that is leased in blocks', () => {
  it.each([1, 10, 100, 1_000, 5_000])('lets in exactly its limit of %i, over four replicas', async (limit) => {
    const { hit } = setUp(4);

    const records = await Promise.all(Array.from({ length: limit * 2 + 8 }, async (_, index) => hit(limit, index % 4)));

    expect(records.filter((record) => !record.isBlocked)).toHaveLength(limit);
  });

  it('lets in 95 % although three replicas stop halfway', async () => {
    const limit = 1_000;
    const { hit } = setUp(4);
    let admitted = 0;
    for (let index = 0; index < 4; index += 1) admitted += (await hit(limit, index)).isBlocked ? 0 : 1;

    for (let index = 0; index < limit; index += 1) admitted += (await hit(limit, 0)).isBlocked ? 0 : 1;

    expect(admitted).toBeGreaterThanOrEqual(950);
    expect(admitted).toBeLessThanOrEqual(limit);
  });

  it('asks the store once a block, ahead of need', async () => {
    const { store, hit } = setUp();

    for (let index = 0; index < 900; index += 1) await hit(1_200);

    expect(store.asked).toBeLessThan(900 / 4);
  });

  it('asks nobody any more once it is spent, until its window ends', async () => {
    const { time, store, hit } = setUp();
    for (let index = 0; index < 12; index += 1) await hit(10);
    const { asked } = store;

    const refused = await hit(10);
    time.now += MINUTE_MS;
    const admitted = await hit(10);

    expect(refused).toEqual({ totalHits: 11, timeToExpire: 60, isBlocked: true, timeToBlockExpire: 60 });
    expect(admitted).toMatchObject({ totalHits: 1, isBlocked: false });
    expect(store.asked).toBe(asked + 1);
  });

  it('does not carry a block into the next window', async () => {
    const { time, store, hit } = setUp();
    await hit(1_200);

    time.now += MINUTE_MS;
    await hit(1_200);

    expect(store.used).toBeLessThanOrEqual(20);
  });

  it('fails at once while the store is away, and asks it again a little later', async () => {
    const { time, store, hit } = setUp();
    store.away = true;
    await expect(hit(10)).rejects.toThrow(/terminated/);

    await expect(hit(10)).rejects.toThrow(/terminated/);
    expect(store.asked).toBe(1);
    store.away = false;
    time.now += 1_000;

    expect((await hit(10)).isBlocked).toBe(false);
  });
});
