import { describe, expect, it } from '@jest/globals';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { GiveWay, startsFor } from './give-way.js';

/** Those that have begun, in their order, as soon as they have. */
function begin(giveWay: GiveWay, count: number): number[] {
  const begun: number[] = [];
  for (let index = 0; index < count; index += 1) void giveWay.turn().then(() => begun.push(index));
  return begun;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5);
}

describe('background work', () => {
  it('begins at once where there is little of it', async () => {
    const begun = begin(new GiveWay(), 3);

    await turn();

    expect(begun).toEqual([0, 1, 2]);
  });

  it('does not begin all at once where there is much, and all of it begins, in its order', async () => {
    const begun = begin(new GiveWay(), 40);

    await turn();

    expect(begun.length).toBeLessThan(40);
    await until(() => begun.length === 40);
    expect(begun).toEqual(Array.from({ length: 40 }, (_, index) => index));
  });

  it('goes on while the process is busy, and again after it was idle for long', async () => {
    const giveWay = new GiveWay();
    const busy = setInterval(() => {
      for (const end = performance.now() + 20; performance.now() < end;);
    }, 1);
    const begun = begin(giveWay, 12);
    await until(() => begun.length === 12);
    clearInterval(busy);
    await sleep(1_100);

    const later = begin(giveWay, 2);
    await turn();

    expect(later).toEqual([0, 1]);
  });

  it('begins the more slowly the busier the process is, and never stands still', () => {
    const starts = [0, 0.29, 0.3, 0.44, 0.45, 1].map(startsFor);

    expect(starts).toEqual(starts.toSorted((a, b) => b - a));
    expect(starts[0]).toBeGreaterThan(starts[2] ?? 0);
    expect(starts[2]).toBeGreaterThan(starts[4] ?? 0);
    expect(starts.at(-1)).toBeGreaterThan(0);
  });
});
