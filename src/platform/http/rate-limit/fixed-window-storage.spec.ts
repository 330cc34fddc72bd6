import { describe, expect, it } from '@jest/globals';
import { FixedWindowStorage } from './fixed-window-storage.js';

const MINUTE_MS = 60_000;

function setUp(maxKeys = 1_000) {
  const time = { now: 1_000_000 };
  const storage = new FixedWindowStorage(() => time.now, maxKeys);
  const hit = (key = 'a', limit = 2) => storage.increment(key, MINUTE_MS, limit, 0, 'create');
  return { time, storage, hit };
}

describe('a fixed window', () => {
  it('lets in up to its limit and blocks until it ends', () => {
    const { time, hit } = setUp();

    const records = [hit(), hit(), hit()];
    time.now += 15_000;
    const later = hit();

    expect(records.map((record) => record.isBlocked)).toEqual([false, false, true]);
    expect(later).toEqual({ totalHits: 3, timeToExpire: 45, isBlocked: true, timeToBlockExpire: 45 });
  });

  it('begins anew when it is over', () => {
    const { time, hit } = setUp();
    hit();
    hit();

    time.now += MINUTE_MS;

    expect(hit()).toEqual({ totalHits: 1, timeToExpire: 60, isBlocked: false, timeToBlockExpire: 0 });
  });

  it('counts every key and every limit apart', () => {
    const { storage, hit } = setUp();
    hit('a', 1);

    expect(hit('b', 1).isBlocked).toBe(false);
    expect(storage.increment('a', MINUTE_MS, 1, 0, 'status').isBlocked).toBe(false);
  });

  it('forgets the windows that are over', () => {
    const { time, storage, hit } = setUp();
    for (let i = 0; i < 500; i++) hit(`key-${i}`);

    time.now += MINUTE_MS;
    hit('another');

    expect(storage.size).toBe(1);
  });

  it('never remembers more keys than it may, and drops the oldest', () => {
    const { storage, hit } = setUp(100);

    for (let i = 0; i < 5_000; i++) hit(`key-${i}`, 1);

    expect(storage.size).toBe(100);
    expect(hit('key-4999', 1).isBlocked).toBe(true);
    expect(hit('key-0', 1).isBlocked).toBe(false);
  });
});
