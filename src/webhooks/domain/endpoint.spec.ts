import { describe, expect, it } from '@jest/globals';
import { inUse, rotate } from './endpoint.js';

const NOW = new Date('2026-03-01T12:00:00Z');

function later(hours: number): Date {
  return new Date(NOW.getTime() + hours * 3_600_000);
}

describe('the secrets of a receiver', () => {
  it('sign with the new and the replaced one for a day', () => {
    const rotated = rotate(rotate([], 'first', NOW), 'second', NOW);

    expect(inUse(rotated, later(23)).map(({ sealed }) => sealed)).toEqual(['second', 'first']);
    expect(inUse(rotated, later(24)).map(({ sealed }) => sealed)).toEqual(['second']);
  });

  it('are never more than three, however often they are rotated', () => {
    const rotated = ['a', 'b', 'c', 'd', 'e'].reduce(
      (secrets, sealed) => rotate(secrets, sealed, NOW),
      rotate([], '', NOW),
    );

    expect(rotated.map(({ sealed }) => sealed)).toEqual(['e', 'd', 'c']);
  });

  it('do not live longer because another rotation follows', () => {
    const rotated = rotate(rotate(rotate([], 'first', NOW), 'second', NOW), 'third', later(23));

    expect(inUse(rotated, later(25)).map(({ sealed }) => sealed)).toEqual(['third', 'second']);
  });
});
