import { describe, expect, it } from '@jest/globals';
import { parseLabelConditions, refusalOfLabels } from './labels.js';

describe('labels', () => {
  it.each([{}, { env: 'prod' }, { 'example.com/env': '' }, { a: 'v1.2:x/y@z+w' }])('may be %j', (labels) => {
    expect(refusalOfLabels(labels)).toBeNull();
  });

  it.each([null, 'a', ['a'], { '': 'a' }, { 'a ': 'b' }, { a: ' ' }, { a: 1 }, { a: null }, { ['x'.repeat(64)]: 'a' }])(
    'may not be %j',
    (labels) => {
      expect(refusalOfLabels(labels)).toMatch(/^(?:must|a label)/);
    },
  );
});

describe('a filter by labels', () => {
  it('asks for a value, or only that the label is there', () => {
    expect(parseLabelConditions('env=prod,tier,empty=')).toEqual([
      { key: 'env', value: 'prod' },
      { key: 'tier', value: null },
      { key: 'empty', value: '' },
    ]);
  });

  it.each(['', ',', '=a', 'a,,b', 'a b', 'a=b c', 'a=b=c'])('cannot be %j', (text) => {
    expect(parseLabelConditions(text)).toBeNull();
  });
});
