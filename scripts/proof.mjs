// `npm run proof -- crash`: one of the promises in its full size. Without a name: which there are.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env } from 'node:process';
import { runInForeground } from './lib/processes.mjs';
import { at, pinnedNode, requireUsableNode } from './lib/project.mjs';
import { setUp } from './setup.mjs';

/** What each one runs, below `test/`. */
const PROOFS = {
  crash: ['crash/crash.spec.ts'],
  liar: ['crash/liar.spec.ts'],
  replicas: ['crash/replicas.spec.ts'],
  postgres: ['crash/postgres.spec.ts'],
  silence: ['crash/silence.spec.ts'],
  economy: ['crash/call-economy.spec.ts'],
  simulation: ['simulation'],
  migration: ['migration'],
  webhooks: ['webhooks', 'events', 'guard'],
  http: ['http'],
  slow: ['http/slow-clients.spec.ts'],
  auth: ['auth'],
  limits: ['limits'],
  rolling: ['rolling'],
  secrets: ['secrets'],
};

const MAX_SEED = 1_000_000_000;

requireUsableNode();
const [name, ...rest] = argv.slice(2);
const paths = (PROOFS[name] ?? []).map((path) => join('test', path));
if (paths.length === 0) {
  console.error(`Which proof? One of: ${Object.keys(PROOFS).join(', ')}`);
  process.exitCode = 2;
} else if (!paths.every((path) => existsSync(at(path)))) {
  console.error(`${name}: there is nothing at ${paths.join(', ')}`);
  process.exitCode = 2;
} else {
  process.exitCode = await prove();
}

async function prove() {
  const seed = env.SEED ?? String(Math.floor(Math.random() * MAX_SEED));
  const directory = mkdtempSync(join(tmpdir(), 'novita-gpu-instances-proof-'));
  const resultsPath = join(directory, 'results.jsonl');
  const startedAt = Date.now();
  try {
    await setUp();
    console.log(`proof ${name}: seed ${seed}, to replay: SEED=${seed} npm run proof -- ${name}`);
    const code = await runInForeground(pinnedNode(), [...jest(), ...paths, ...rest], {
      env: { ...env, PROOF: '1', SEED: seed, PROOF_RESULTS: resultsPath },
    });
    const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
    const facts = [`seed ${seed}`, `commit ${commit()}`, new Date().toISOString().slice(0, 10), `${minutes} min`];
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
  const { proof, seed, ...figures } = JSON.parse(line);
  return Object.entries(figures)
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
