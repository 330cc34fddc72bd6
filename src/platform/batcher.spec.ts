import { describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { Batcher, WaitedTooLong } from './batcher.js';

describe('a batcher', () => {
  it('serves at once who comes alone, and together those who came meanwhile', async () => {
    const batches: number[][] = [];
    const batcher = new Batcher(async (items: readonly number[]) => {
      batches.push([...items]);
      await sleep(20);
      return items.map((item) => item * 2);
    }, 3);

    const first = batcher.add(1);
    await sleep(5);
    const results = await Promise.all([first, ...[2, 3, 4, 5].map((item) => batcher.add(item))]);

    expect(results).toEqual([2, 4, 6, 8, 10]);
    expect(batches).toEqual([[1], [2, 3, 4], [5]]);
  });

  it('refuses those whose patience ends before their turn, and goes on', async () => {
    let begun = 0;
    const batcher = new Batcher(
      async (items: readonly number[]) => {
        begun += items.length;
        await sleep(60);
        return items;
      },
      2,
      30,
    );

    const first = batcher.add(1);
    await sleep(5);
    const others = await Promise.allSettled([2, 3, 4].map((item) => batcher.add(item)));

    expect(await first).toBe(1);
    expect(others.map((end) => end.status === 'rejected' && end.reason instanceof WaitedTooLong)).toEqual([
      true,
      true,
      true,
    ]);
    expect([await batcher.add(5), begun]).toEqual([5, 2]);
  });
});
