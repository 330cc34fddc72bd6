import { describe, expect, it } from '@jest/globals';
import { isAmong } from './entity-tag.js';
import { waitSecondsOf } from './prefer-wait.js';

describe('how long a caller would wait', () => {
  it.each([
    [undefined, 0],
    ['wait=10', 10],
    ['Wait = "7"', 7],
    ['respond-async, wait=10', 10],
    [['handling=lenient', 'wait=5'], 5],
    ['wait=5, wait=9', 5],
    ['wait=61', 60],
    ['wait=-1', 0],
    ['wait=1.5', 0],
    ['waiting=5', 0],
  ])('%j → %i s', (prefer, seconds) => {
    expect(waitSecondsOf(prefer)).toBe(seconds);
  });
});

describe('a tag that the caller knows', () => {
  it.each([
    [undefined, false],
    ['*', true],
    ['"a"', true],
    ['W/"a"', true],
    ['"b", "a"', true],
    ['"b"', false],
    ['a', false],
    ['', false],
  ])('in %j: %s', (known, expected) => {
    expect(isAmong('"a"', known)).toBe(expected);
  });
});
