import { describe, expect, it } from '@jest/globals';
import { InHand } from './in-hand.js';

describe('InHand', () => {
  it('knows what is being worked on, and forgets it when the work ends or fails', async () => {
    const inHand = new InHand();

    const seen = await inHand.during('job', 'a', async () => [inHand.has('job', 'a'), inHand.has('job', 'b')]);
    await inHand.during('job', 'c', () => Promise.reject(new Error('failed'))).catch(() => undefined);

    expect(seen).toEqual([true, false]);
    expect(inHand.has('job', 'a')).toBe(false);
    expect(inHand.has('job', 'c')).toBe(false);
  });
});
