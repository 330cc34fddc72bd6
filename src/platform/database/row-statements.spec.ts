import { describe, expect, it } from '@jest/globals';
import { insertStatement, replaceStatement, valuesOf } from './row-statements.js';

interface Row {
  id: string;
  phaseSince: string;
  version: number;
}

const COLUMNS = ['id', 'phaseSince', 'version'] as const;

describe('statements of whole rows', () => {
  it('name columns as the schema does, and take values in the same order', () => {
    expect(insertStatement<Row>('n', 'rows', COLUMNS).text).toBe(
      'INSERT INTO rows (id, phase_since, version) VALUES ($1, $2, $3)',
    );
    expect(valuesOf({ version: 2, phaseSince: 'now', id: 'a' }, COLUMNS)).toEqual(['a', 'now', 2]);
  });

  it('replace one version of one row', () => {
    expect(replaceStatement<Row>('n', 'rows', COLUMNS).text).toBe(
      'UPDATE rows SET id = $1, phase_since = $2, version = $3 WHERE id = $4 AND version = $5',
    );
  });
});
