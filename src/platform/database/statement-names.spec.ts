import { describe, expect, it } from '@jest/globals';
import { StatementNames } from './statement-names.js';

describe('names of statements', () => {
  it('are the same for the same text, and of nobody else', () => {
    const names = new StatementNames('x-');

    expect(names.of('SELECT 1')).toBe(names.of('SELECT 1'));
    expect(names.of('SELECT 2')).not.toBe(names.of('SELECT 1'));
    expect(new StatementNames('y-').of('SELECT 1')).not.toBe(names.of('SELECT 1'));
  });

  it('are not given to more texts than a connection should keep, nor to long lists', () => {
    const names = new StatementNames('x-');

    const given = Array.from({ length: 1_000 }, (_, index) => names.of(`SELECT ${index}`));

    expect(given.filter((name) => name !== undefined)).toHaveLength(300);
    expect(names.of('SELECT 0')).toBe(given[0]);
    expect(new StatementNames('x-').of(`SELECT ${'1,'.repeat(5_000)}`)).toBeUndefined();
  });
});
