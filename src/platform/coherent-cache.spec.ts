import { describe, expect, it } from '@jest/globals';
import { CoherentCache } from './coherent-cache.js';

const TEN_BYTES = () => 10;

function setUp({ maxBytes = 1_000, maxChanges = 100 } = {}) {
  const listener = { hearsAll: true };
  const cache = new CoherentCache<string>(maxBytes, TEN_BYTES, () => listener.hearsAll, maxChanges);
  const keep = (key: string, subject = key) => cache.keep(key, subject, `value of ${key}`, cache.now());
  return { cache, listener, keep };
}

describe('CoherentCache', () => {
  it('keeps a value until its subject changes', () => {
    const { cache, keep } = setUp();
    keep('a', 'subject');
    keep('b');

    cache.changed('subject');

    expect([cache.find('a'), cache.find('b')]).toEqual([undefined, 'value of b']);
  });

  it('does not keep what was being read when its subject changed', () => {
    const { cache } = setUp();
    const [ofThis, ofAll] = [cache.now(), cache.now()];

    cache.changed('a');
    cache.keep('a', 'a', 'read before the change', ofThis);
    expect(cache.find('a')).toBeUndefined();

    cache.allChanged();
    cache.keep('b', 'b', 'read before all changed', ofAll);
    expect(cache.find('b')).toBeUndefined();
  });

  it('keeps what was read after the change', () => {
    const { cache, keep } = setUp();
    cache.allChanged();
    cache.changed('a');

    keep('a');

    expect(cache.find('a')).toBe('value of a');
  });

  it('gives nothing while changes may go unheard', () => {
    const { cache, listener, keep } = setUp();
    keep('a');

    listener.hearsAll = false;

    expect(cache.find('a')).toBeUndefined();
  });

  it('is bounded, and gives up first what was not asked for the longest', () => {
    const { cache, keep } = setUp({ maxBytes: 30 });
    for (const key of ['a', 'b', 'c']) keep(key);
    cache.find('a');

    keep('d');

    expect(['a', 'b', 'c', 'd'].map((key) => cache.find(key) !== undefined)).toEqual([true, false, true, true]);
  });

  it('forgets too much rather than too little when there are more changes than it can remember', () => {
    const { cache, keep } = setUp({ maxChanges: 2 });
    const readSince = cache.now();
    cache.changed('a');
    cache.changed('b');
    keep('late');

    cache.changed('c');
    cache.keep('a', 'a', 'read before its change', readSince);

    expect([cache.find('a'), cache.find('late')]).toEqual([undefined, 'value of late']);
  });
});
