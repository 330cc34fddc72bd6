// What a container runs: migrations, then the service in this same process, so that it gets its signals directly.
// Database and, without a key, the sandbox are other containers.
import { at, setting } from './lib/project.mjs';

if (setting('NOVITA_API_KEY') === undefined && setting('SANDBOX_BASE_URL') !== undefined) {
  console.log('SANDBOX: no NOVITA_API_KEY is set, so a stand-in for api.novita.ai answers; no real machine is bought');
  process.env.NOVITA_SANDBOX = 'true';
  process.env.NOVITA_API_BASE_URL = setting('SANDBOX_BASE_URL');
}
if (setting('DATABASE_URL') !== undefined) await import('./migrate.mjs');
if (process.exitCode === undefined) await import(at('dist/main.js'));
