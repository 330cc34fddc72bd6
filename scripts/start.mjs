// `npm start`: set-up, database, migrations, sandbox when there is no key, then the service.
// The service runs as a child on the pinned Node: on a bare clone we ourselves run on whatever Node is there, and
// somebody must outlive the service to end the database and the sandbox when the last replica has left.
import { resolve } from 'node:path';
import { catchSignals, runInForeground } from './lib/processes.mjs';
import { at, loadEnvFile, MANIFEST, pinnedNode, requireUsableNode, ROOT, setting } from './lib/project.mjs';
import { SERVICE_ARGS } from './lib/service-node.mjs';
import { joinShared, leaveShared } from './lib/shared-processes.mjs';
import { setUp } from './setup.mjs';

/** Exit codes above it name a signal that was not ours. */
const KILLED_BY_SIGNAL = 128;
/** What the service itself ends with when it refuses its settings. */
const WRONG_SETTINGS = 2;
const DATABASE = 'novita_gpu_instances';

async function start() {
  requireUsableNode();
  loadEnvFile();
  await setUp();
  const dataDir = resolve(ROOT, setting('DATA_DIR') ?? '.data');
  const wants = { wantsPostgres: setting('DATABASE_URL') === undefined, wantsSandbox: needsSandbox() };
  const problems = await problemsOfSettings(wants);
  if (problems !== null) {
    console.error(problems);
    return WRONG_SETTINGS;
  }
  const caught = catchSignals();
  const isSharing = wants.wantsPostgres || wants.wantsSandbox;
  const shared = isSharing ? await joinShared(dataDir, wants) : { postgres: null, sandbox: null };
  const exitCode = await serve(shared, caught).catch((error) => {
    console.error(error.message);
    return 1;
  });
  // A service that was killed is started again, and then wants to find the sandbox's machines: they live in its memory.
  const wasKilled = caught.wasKilled || exitCode > KILLED_BY_SIGNAL;
  if (wasKilled) console.error('The service was killed. Database and sandbox run on for the next start.');
  else if (isSharing) await leaveShared(dataDir);
  return exitCode;
}

/** All that is wrong with the settings, before anything is started for a service that would refuse them; null when they are good. */
async function problemsOfSettings({ wantsPostgres, wantsSandbox }) {
  const { readSettings } = await import(at('dist/app.settings.js'));
  const { InvalidSettings } = await import(at('dist/platform/config.js'));
  const ours = {
    ...(wantsPostgres ? { DATABASE_URL: 'postgresql://127.0.0.1/' } : {}),
    ...(wantsSandbox ? { NOVITA_SANDBOX: 'true' } : {}),
  };
  try {
    readSettings({ ...process.env, ...ours });
    return null;
  } catch (error) {
    if (error instanceof InvalidSettings) return error.message;
    throw error;
  }
}

/** Without a key there is nothing to talk to, unless an address says where another stand-in runs. */
function needsSandbox() {
  return setting('NOVITA_API_KEY') === undefined && setting('NOVITA_API_BASE_URL') === undefined;
}

async function serve({ postgres, sandbox }, caught) {
  const { databaseUrlOn } = await import(at('dist/platform/database/embedded-postgres.js'));
  const { applyMigrations } = await import(at('dist/platform/database/migrate.js'));
  const databaseUrl = postgres === null ? setting('DATABASE_URL') : databaseUrlOn(postgres.url, DATABASE);
  const { applied } = await applyMigrations(databaseUrl);
  introduce({ postgres, sandbox, applied });
  const env = {
    // A third of a second sooner from the second start on.
    NODE_COMPILE_CACHE: at('.setup', 'compile-cache'),
    ...process.env,
    DATABASE_URL: databaseUrl,
    ...sandboxSettings(sandbox),
  };
  const watch = new URL('./lib/leave-with-parent.mjs', import.meta.url).href;
  return runInForeground(pinnedNode(), [...SERVICE_ARGS, `--import=${watch}`, at('dist/main.js')], {
    env,
    caught,
  });
}

function sandboxSettings(sandbox) {
  if (sandbox === null) return {};
  return { NOVITA_SANDBOX: 'true', NOVITA_SANDBOX_URL: sandbox.url, NOVITA_API_BASE_URL: sandbox.baseUrl };
}

function introduce({ postgres, sandbox, applied }) {
  const host = setting('HOST') ?? '127.0.0.1';
  const shown = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  const address = `http://${shown}:${setting('PORT') ?? 3000}`;
  const lines = [
    ['service', `${address}/api/instances`],
    ['description', `${address}/docs`],
    ['health', `${address}/health`],
    ['metrics', `${address}/api/metrics`],
    ['upstream', describeUpstream(sandbox)],
    ...(sandbox === null ? [] : [['sandbox', `${sandbox.url}${sandbox.started ? '' : ' (was already running)'}`]]),
    ['database', describeDatabase(postgres)],
    ...(applied.length === 0 ? [] : [['migrations', `applied ${applied.join(', ')}`]]),
  ];
  console.log(`${MANIFEST.name} ${MANIFEST.version}`);
  for (const [name, value] of lines) console.log(`  ${name.padEnd(12)} ${value}`);
}

function describeUpstream(sandbox) {
  if (sandbox !== null)
    return 'SANDBOX: no NOVITA_API_KEY is set, so a stand-in for api.novita.ai answers; no real machine is bought';
  return setting('NOVITA_API_BASE_URL') ?? 'https://api.novita.ai';
}

function describeDatabase(postgres) {
  if (postgres === null) return 'the server of DATABASE_URL';
  const where = `embedded Postgres on 127.0.0.1:${postgres.port}${postgres.started ? '' : ' (was already running)'}, data in ${postgres.home}`;
  return postgres.movedBecause === null ? where : `${where}\n${' '.repeat(15)}(${postgres.movedBecause})`;
}

try {
  process.exitCode = await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
