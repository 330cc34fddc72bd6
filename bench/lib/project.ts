import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export function at(...path: string[]): string {
  return join(ROOT, ...path);
}

type Postgres = typeof import('../../src/platform/database/embedded-postgres.js');
type Migrate = typeof import('../../src/platform/database/migrate.js');

/** Of the build that is measured, which `npm run bench` makes before anything here runs. */
const postgres = (await import(built('platform/database/embedded-postgres.js'))) as Postgres;
const migrate = (await import(built('platform/database/migrate.js'))) as Migrate;

/** What `npm start` tells Node for the service. */
export const { SERVICE_ARGS } = (await import(pathToFileURL(at('scripts/lib/service-node.mjs')).href)) as {
  SERVICE_ARGS: readonly string[];
};

export const { databaseUrlOn, removePostgres, startPostgres } = postgres;
export const { applyMigrations } = migrate;

function built(path: string): string {
  return pathToFileURL(at('dist', path)).href;
}
