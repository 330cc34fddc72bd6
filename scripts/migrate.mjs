// `npm run db:migrate`: brings the database of DATABASE_URL up to date, as every start does. Needs the build only.
import { at, loadEnvFile, setting } from './lib/project.mjs';

loadEnvFile();
const databaseUrl = setting('DATABASE_URL');
if (databaseUrl === undefined) {
  console.error('DATABASE_URL is not set. The embedded database is migrated by every `npm start`.');
  process.exit(1);
}
const { applyMigrations } = await import(at('dist/platform/database/migrate.js'));
try {
  const { applied } = await applyMigrations(databaseUrl);
  console.log(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
