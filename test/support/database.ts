import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  url: string;
  /** Ends what is still connected and removes the database; the end of the run would remove it too. */
  drop(): Promise<void>;
}

/** A migrated, otherwise empty database of its own, copied in a few milliseconds from the one that the run prepared. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `${environment('TEST_RUN')}_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE "${name}" TEMPLATE "${environment('TEST_RUN')}_template"`);
  return { url: urlOf(name), drop: () => onServer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) };
}

/** A database of its own without any table. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const name = `${environment('TEST_RUN')}_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE "${name}"`);
  return { url: urlOf(name), drop: () => onServer(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) };
}

function urlOf(name: string): string {
  const url = new URL(environment('TEST_SERVER_URL'));
  url.pathname = `/${name}`;
  return url.toString();
}

async function onServer(statement: string): Promise<void> {
  await rowsOf({ url: environment('TEST_SERVER_URL') }, statement);
}

/** What a statement gives, over a connection of its own. */
export async function rowsOf(
  { url }: Pick<TestDatabase, 'url'>,
  statement: string,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: this runs only inside Jest's "system" project`);
  return value;
}
