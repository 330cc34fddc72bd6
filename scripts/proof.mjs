// `npm run proof -- crash`: one of the promises in its full size. Without a name: which there are.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env } from 'node:process';
import { catchSignals, codeOfCut, runInForeground } from './lib/processes.mjs';
import { at, pinnedNode, requireUsableNode } from './lib/project.mjs';
import { setUp } from './setup.mjs';

/** What each one runs, below `test/`; `seed` names the variable that takes the seed, where chance is a part of the proof. */
const PROOFS = {
  crash: { paths: ['crash/crash.spec.ts'], seed: 'SEED' },
  liar: { paths: ['crash/liar.spec.ts'], seed: 'SEED' },
  replicas: { paths: ['crash/replicas.spec.ts'], seed: 'SEED' },
  postgres: { paths: ['crash/postgres.spec.ts'], seed: 'SEED' },
  silence: { paths: ['crash/silence.spec.ts'], seed: 'SEED' },
  economy: { paths: ['crash/call-economy.spec.ts'] },
  // Its seeds are 1, 2, 3 …; a SEED from outside replays that one alone.
  simulation: { paths: ['simulation'] },
  migration: {
    paths: ['crash/mass-reclaim.spec.ts', 'e2e/migration.spec.ts'],
    seed: 'SEED',
    env: { PROOF_MACHINES: '200' },
  },
  webhooks: { paths: ['webhooks', 'events', 'guard'], seed: 'SEED' },
  http: { paths: ['http/hostile.spec.ts'], seed: 'HOSTILE_SEED', env: { HOSTILE_REQUESTS: '50000' } },
  slow: {
    paths: ['http/slow-clients.spec.ts'],
    env: { SLOW_HEADERS: '2000', SLOW_BODIES: '500', SLOW_P99_MS: '100' },
  },
  auth: {
    paths: [
      'api/matrix.spec.ts',
      'api/keys.spec.ts',
      'api/order-caps.spec.ts',
      'api/audit-chain.spec.ts',
      'api/service-role.spec.ts',
    ],
    env: { CAPPED_ORDERS: '1000' },
  },
  idempotency: {
    paths: ['api/idempotency.spec.ts'],
    env: { IDEMPOTENCY_KEYS: '1000', IDEMPOTENCY_SENDERS: '20', IDEMPOTENCY_REPLICAS: '4' },
  },
  limits: { paths: ['api/limits.spec.ts', 'api/limits-redis.spec.ts', 'http/rate-limits.spec.ts'] },
  rolling: { paths: ['ops/rolling-restarts.spec.ts'], env: { ROLLING_RESTARTS: '200' } },
  metrics: { paths: ['ops/metrics.spec.ts'], env: { RANDOM_ADDRESSES: '50000', INSTANCES: '10000' } },
  secrets: {
    paths: ['webhooks/secrets.spec.ts', 'api/passwords.spec.ts', 'http/logging.spec.ts', 'http/errors.spec.ts'],
  },
};

const MAX_SEED = 1_000_000_000;

requireUsableNode();
const [name, ...rest] = argv.slice(2);
const proof = Object.hasOwn(PROOFS, name) ? PROOFS[name] : null;
if (proof === null) {
  console.error(`Which proof? One of: ${Object.keys(PROOFS).join(', ')}`);
  process.exitCode = 2;
} else {
  process.exitCode = await prove(proof);
}

async function prove({ paths: names, seed: seedName, env: sizes }) {
  const paths = names.map((path) => join('test', path));
  const missing = paths.filter((path) => !existsSync(at(path)));
  if (missing.length > 0) {
    console.error(`${name}: there is no ${missing.join(', ')}`);
    return 2;
  }
  const seed = seedName === undefined ? undefined : (env[seedName] ?? String(Math.floor(Math.random() * MAX_SEED)));
  const seedEnv = seed === undefined ? {} : { [seedName]: seed };
  const directory = mkdtempSync(join(tmpdir(), 'novita-gpu-instances-proof-'));
  const resultsPath = join(directory, 'results.jsonl');
  const startedAt = Date.now();
  try {
    await setUp();
    if (seed !== undefined)
      console.log(`proof ${name}: seed ${seed}; to replay: ${seedName}=${seed} npm run proof -- ${name}`);
    const caught = catchSignals();
    const ended = await runInForeground(pinnedNode(), [...jest(), ...paths, ...rest], {
      env: { ...sizes, ...env, ...seedEnv, PROOF: '1', PROOF_RESULTS: resultsPath },
      caught,
    });
    const code = codeOfCut(ended, caught);
    const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
    const facts = [`commit ${commit()}`, new Date().toISOString().slice(0, 10), `${minutes} min`];
    if (seed !== undefined) facts.unshift(`seed ${seed}`);
    console.log(`proof ${name}: ${code === 0 ? 'shown' : 'NOT SHOWN'} (${facts.join(', ')})`);
    for (const figures of readResults(resultsPath)) console.log(`  ${figures}`);
    return code;
  } catch (error) {
    console.error(error.message);
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function jest() {
  const program = at('node_modules/jest/bin/jest.js');
  return ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', program, '--runInBand'];
}

function readResults(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').map(describe) : [];
}

function describe(line) {
  return Object.entries(JSON.parse(line))
    .filter(([label]) => label !== 'proof' && label !== 'seed')
    .map(([label, value]) => `${label} ${value}`)
    .join(', ');
}

/** A clone without git, or with changes, has no commit that stands for it. */
function commit() {
  try {
    const git = (...args) =>
      execFileSync('git', args, { cwd: at(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const changed = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return git('rev-parse', '--short', 'HEAD').trim() + (changed ? ' and changes' : '');
  } catch {
    return 'unknown';
  }
}
