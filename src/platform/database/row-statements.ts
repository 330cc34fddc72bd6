import type { Joint } from './in-one-go.js';
import { run, type Statement } from './statement.js';

/** A row's columns under the names that the code has for them, in the order in which their values are given. */
type Columns<Row> = readonly (keyof Row & string)[];

export function insertStatement<Row>(name: string, table: string, columns: Columns<Row>): Statement {
  const places = columns.map((_, index) => `$${index + 1}`);
  return { name, text: `INSERT INTO ${table} (${columns.map(columnOf).join(', ')}) VALUES (${places.join(', ')})` };
}

/** Inserts any number of rows by one statement, which takes them as JSON. */
export function insertingRows<Row>(name: string, table: string, columns: Columns<Row>): Joint<Row, void> {
  const names = columns.map(columnOf);
  const list = names.join(', ');
  const text = `INSERT INTO ${table} (${list}) SELECT ${list} FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`;
  const named = (row: Row) => Object.fromEntries(columns.map((column, index) => [names[index], row[column]]));
  return {
    async run(rows, tx) {
      await run(tx, { name, text }, [JSON.stringify(rows.map(named))]);
      return [];
    },
  };
}

/** @param rest what follows the table's name */
export function selectStatement<Row>(name: string, table: string, columns: Columns<Row>, rest: string): Statement {
  const named = columns.map((column) => `${columnOf(column)} AS "${column}"`);
  return { name, text: `SELECT ${named.join(', ')} FROM ${table} ${rest}` };
}

/** Inserts a row, or replaces the one of the same id but for the columns that are `kept`. */
export function upsertStatement<Row>(
  name: string,
  table: string,
  columns: Columns<Row>,
  kept: Columns<Row>,
): Statement {
  const changes = columns
    .filter((column) => !kept.includes(column))
    .map((column) => `${columnOf(column)} = excluded.${columnOf(column)}`);
  const { text } = insertStatement(name, table, columns);
  return { name, text: `${text} ON CONFLICT (id) DO UPDATE SET ${changes.join(', ')}` };
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
