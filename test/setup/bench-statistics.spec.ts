import { describe, expect, it } from '@jest/globals';
import { isReached, ratioFigure } from '../../bench/lib/figure.ts';
import { median, percentile, ratiosOf, spreadOf } from '../../bench/lib/statistics.ts';

describe('the figures of a bench', () => {
  it('takes the middle one of several rounds, in whatever order they came', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('finds a percentile between two values in proportion', () => {
    const values = Array.from({ length: 101 }, (_, index) => index);

    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile([10, 20], 0.25)).toBe(12.5);
    expect(() => percentile([], 0.5)).toThrow();
  });

  it('compares round with round, so that a disturbance of both changes nothing', () => {
    const figure = ratioFigure('throughput', { atLeast: 0.6 }, [600, 60, 700], [1000, 100, 1000], 'requests/s');

    expect(figure.spread).toEqual({ median: 0.6, min: 0.6, max: 0.7 });
    expect(isReached(figure)).toBe(true);
    expect(() => ratiosOf([1], [1, 2])).toThrow();
  });

  it('keeps how far the rounds lie apart', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  });
});
