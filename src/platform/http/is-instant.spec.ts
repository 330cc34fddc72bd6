import { describe, expect, it } from '@jest/globals';
import { toInstant } from './is-instant.js';

describe('an instant', () => {
  it.each(['2027-01-15T10:30:00Z', '2027-01-15T10:30:00.5Z', '2028-02-29T23:59:59+05:30', '0001-01-01T00:00:00Z'])(
    'is taken: %s',
    (text) => {
      expect(toInstant(text)).toEqual(new Date(text));
    },
  );

  it.each([
    '',
    'now',
    '2027',
    '2027-01-15',
    '2027-W05-1',
    '2027-015',
    '2027-01-15T10:30:00',
    '2027-01-15T10:30Z',
    '2027-01-15T24:00:00Z',
    '2027-01-15T23:59:60Z',
    '2027-02-29T00:00:00Z',
    '2027-02-30T00:00:00Z',
    '2027-13-01T00:00:00Z',
    '2027-01-15T10:30:00+99:99',
    '+275760-09-13T00:00:00Z',
    '2027-01-15T10:30:00Z\n',
  ])('is not taken: %j', (text) => {
    expect(toInstant(text)).toBeNull();
  });
});
