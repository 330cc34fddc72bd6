import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { applyMigrations, MigrationFailed, pendingMigrations } from '../../src/platform/database/migrate.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';

describe('applying the migrations', () => {
  let database: TestDatabase;
  let directory: string;

  beforeEach(async () => {
    database = await createEmptyDatabase();
    directory = await mkdtemp(join(tmpdir(), 'migrations-'));
  });

  afterEach(async () => {
    await database.drop();
    await rm(directory, { recursive: true });
  });

  async function addMigration(name: string, sql: string): Promise<void> {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, 'migration.sql'), sql);
  }

  async function query(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  it('applies each migration once when two replicas start at once', async () => {
    await addMigration('1_first', 'CREATE TABLE first (value int); INSERT INTO first VALUES (1);');
    await addMigration('2_second', 'INSERT INTO first VALUES (2);');

    const results = await Promise.all([1, 2].map(() => applyMigrations(database.url, directory)));

    expect(results.flatMap(({ applied }) => applied)).toEqual(['1_first', '2_second']);
    expect(await query('SELECT value FROM first ORDER BY value')).toEqual([{ value: 1 }, { value: 2 }]);
    expect(await pendingMigrations(database.url, directory)).toEqual([]);
  });

  it('creates a database that the server does not have yet', async () => {
    await addMigration('1_first', 'CREATE TABLE first (value int);');
    await database.drop();

    const { applied } = await applyMigrations(database.url, directory);

    expect(applied).toEqual(['1_first']);
  });

  it('does not take a semicolon in a comment, a string or a function for the end of a statement', async () => {
    await addMigration(
      '1_first',
      `-- one; two
       CREATE FUNCTION three() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'a;b'; END $$;`,
    );

    await applyMigrations(database.url, directory);

    expect(await query('SELECT three()')).toEqual([{ three: 'a;b' }]);
  });

  it('leaves nothing of a migration that fails, and says what is wrong with it', async () => {
    await addMigration('1_first', 'CREATE TABLE first (value int); INSERT INTO absent VALUES (1);');

    const attempt = applyMigrations(database.url, directory);

    await expect(attempt).rejects.toThrow(MigrationFailed);
    await expect(attempt).rejects.toThrow(/absent/);
    expect(await query(`SELECT to_regclass('first') AS found`)).toEqual([{ found: null }]);
    expect(await pendingMigrations(database.url, directory)).toEqual(['1_first']);
  });

  it('applies a migration again whose replica was killed before Postgres had it', async () => {
    await addMigration('1_first', 'CREATE TABLE first (value int);');
    await applyMigrations(database.url, directory);
    await addMigration('2_second', 'CREATE TABLE second (value int);');
    await query(`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('killed', 'x', '2_second')`);

    const { applied } = await applyMigrations(database.url, directory);

    expect(applied).toEqual(['2_second']);
    expect(await query(`SELECT count(*)::int AS rows FROM second`)).toEqual([{ rows: 0 }]);
  });

  it('finds nothing left to do in a database that the test run prepared', async () => {
    const prepared = await createTestDatabase();

    const pending = await pendingMigrations(prepared.url);

    expect(pending).toEqual([]);
    await prepared.drop();
  });
});
