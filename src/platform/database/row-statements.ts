import type { Statement } from './statement.js';

/** A row's columns under the names that the code has for them, in the order in which their values are given. */
type Columns<Row> = readonly (keyof Row & string)[];

export function insertStatement<Row>(name: string, table: string, columns: Columns<Row>): Statement {
  const places = columns.map((_, index) => `$${index + 1}`);
  return { name, text: `INSERT INTO ${table} (${columns.map(columnOf).join(', ')}) VALUES (${places.join(', ')})` };
}

/** Replaces the row of one id and version; these two are the last values. */
export function replaceStatement<Row>(name: string, table: string, columns: Columns<Row>): Statement {
  const changes = columns.map((column, index) => `${columnOf(column)} = $${index + 1}`);
  const [id, version] = [columns.length + 1, columns.length + 2];
  return { name, text: `UPDATE ${table} SET ${changes.join(', ')} WHERE id = $${id} AND version = $${version}` };
}

export function valuesOf<Row>(row: Row, columns: Columns<Row>): unknown[] {
  return columns.map((column) => row[column]);
}

/** As `@map` in the schema has it: phaseSince → phase_since. */
function columnOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
