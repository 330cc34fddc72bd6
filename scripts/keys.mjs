// `npm run keys -- create --team T --scopes a,b`: makes, lists, rotates and revokes API keys in the database of DATABASE_URL,
// or in the embedded one, whether or not a service runs on it.
import { resolve } from 'node:path';
import { argv } from 'node:process';
import { runInForeground } from './lib/processes.mjs';
import { at, loadEnvFile, pinnedNode, requireUsableNode, ROOT, setting } from './lib/project.mjs';
import { joinShared, leaveShared } from './lib/shared-processes.mjs';
import { setUp } from './setup.mjs';

const DATABASE = 'novita_gpu_instances';

async function keys() {
  requireUsableNode();
  loadEnvFile();
  await setUp();
  if (setting('DATABASE_URL') !== undefined) return run(setting('DATABASE_URL'));
  const dataDir = resolve(ROOT, setting('DATA_DIR') ?? '.data');
  const { postgres } = await joinShared(dataDir, { wantsPostgres: true, wantsSandbox: false });
  try {
    const { databaseUrlOn } = await import(at('dist/platform/database/embedded-postgres.js'));
    return await run(databaseUrlOn(postgres.url, DATABASE));
  } finally {
    await leaveShared(dataDir);
  }
}

async function run(databaseUrl) {
  const { applyMigrations } = await import(at('dist/platform/database/migrate.js'));
  await applyMigrations(databaseUrl);
  const env = { ...process.env, DATABASE_URL: databaseUrl };
  return runInForeground(pinnedNode(), ['--enable-source-maps', at('dist/keys/keys.cli.js'), ...argv.slice(2)], {
    env,
  });
}

try {
  process.exitCode = await keys();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
