import { describe, expect, it } from '@jest/globals';
import { priorityOf } from './urgency.js';

describe('priorityOf', () => {
  it('puts the earlier deadline first, to the second', () => {
    const [early, late] = ['2026-11-25T22:00:00Z', '2026-11-25T22:00:01Z'].map((time) => priorityOf(new Date(time)));

    expect(early).toBe((late ?? NaN) + 1);
  });

  it('puts what has a deadline, however far, before what has none, and fits an integer column', () => {
    expect(priorityOf(new Date('2099-01-01T00:00:00Z'))).toBeGreaterThan(priorityOf(null));
    expect(priorityOf(new Date(0))).toBeLessThan(2 ** 31);
  });
});
