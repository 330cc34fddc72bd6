import pg from 'pg';
import './resolve-sources.mts';

const { removePostgres } = await import('../../src/platform/database/embedded-postgres.ts');

/** Leaves nothing behind: our own server goes as a whole, somebody else's loses only what this run made. */
export default async function tearDown(): Promise<void> {
  const directory = process.env['TEST_SERVER_DIRECTORY'];
  if (directory === undefined) return dropDatabasesOf(process.env['TEST_RUN'] ?? '');
  await removePostgres(directory);
}

async function dropDatabasesOf(run: string): Promise<void> {
  const client = new pg.Client({ connectionString: process.env['TEST_SERVER_URL'] });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [`${run}_`],
  );
  for (const { datname } of rows)
    await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(datname)} WITH (FORCE)`);
  await client.end();
}
