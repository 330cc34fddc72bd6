import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { at, pinnedNode } from './project.mjs';

const SHOWN_LINES = 40;
const QUIET = {
  SCARF_ANALYTICS: 'false',
  CHECKPOINT_DISABLE: '1',
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  DO_NOT_TRACK: '1',
};

/** What the generated files are made from. They are bundled as well, so that the build is stale when they are. */
const SHAPES_CLIENT = ['package-lock.json', 'prisma.config.ts', 'prisma/schema.prisma'];
const SHAPES_DESCRIPTION = ['tsconfig.json', 'scripts/lib/api-description.mjs'];

/** In the order in which they build on each other. Each is done when what it reads has changed or what it makes is missing. */
export const STAGES = [
  {
    name: 'install',
    says: 'installing the packages (about a minute)',
    makes: ['node_modules/.package-lock.json', 'node_modules/node/bin'],
    stamp: 'node_modules/.installed',
    reads: () => ['package-lock.json'],
    isDoneAnyway: matchesLockfile,
    run: installPackages,
  },
  {
    name: 'client',
    says: 'generating the database client',
    makes: ['src/generated/prisma/client.ts'],
    stamp: '.setup/client',
    reads: () => SHAPES_CLIENT,
    run: generateClient,
  },
  {
    name: 'api-description',
    says: 'reading the API description from the sources',
    makes: ['src/generated/metadata.ts'],
    stamp: '.setup/api-description',
    reads: () => [...SHAPES_CLIENT, ...SHAPES_DESCRIPTION, ...sources()],
    run: () => runQuietly(pinnedNode(), [at('scripts/lib/api-description.mjs')]),
  },
  {
    name: 'build',
    says: 'building',
    makes: ['dist/main.js'],
    stamp: '.setup/build',
    reads: () => [
      ...SHAPES_CLIENT,
      ...SHAPES_DESCRIPTION,
      '.swcrc',
      'scripts/lib/bundle.mjs',
      'scripts/lib/sparing.mjs',
      ...sources(),
    ],
    run: () => runQuietly(pinnedNode(), [at('scripts/lib/bundle.mjs')]),
  },
];

export function isCurrent(stage) {
  if (!stage.makes.every((path) => existsSync(at(path)))) return false;
  if (readStamp(stage) === hashOf(stage)) return true;
  if (stage.isDoneAnyway?.() !== true) return false;
  writeStamp(stage);
  return true;
}

export async function perform(stage) {
  rmSync(at(stage.stamp), { force: true });
  // Taken before: what changes while the stage runs makes it stale again.
  const hash = hashOf(stage);
  await stage.run();
  const missing = stage.makes.find((path) => !existsSync(at(path)));
  if (missing !== undefined) throw new Error(`${stage.says} did not make ${missing}`);
  writeStamp(stage, hash);
}

function readStamp(stage) {
  return existsSync(at(stage.stamp)) ? readFileSync(at(stage.stamp), 'utf8') : null;
}

function writeStamp(stage, hash = hashOf(stage)) {
  mkdirSync(dirname(at(stage.stamp)), { recursive: true });
  writeFileSync(at(stage.stamp), hash);
}

function hashOf(stage) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const path of stage.reads()) {
    if (existsSync(at(path))) hash.update(`\0${path}\0`).update(readFileSync(at(path)));
  }
  return hash.digest('hex');
}

function sources(directory = 'src') {
  return readdirSync(at(directory), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (path === 'src/generated') return [];
      if (entry.isDirectory()) return sources(path);
      return path.endsWith('.ts') && !path.endsWith('.spec.ts') ? [path] : [];
    });
}

/** Somebody has run `npm ci` by hand: npm keeps a list of what it installed. */
function matchesLockfile() {
  const wanted = readPackages('package-lock.json');
  const installed = readPackages('node_modules/.package-lock.json');
  const isInstalled = ([path, { version, optional }]) => installed[path]?.version === version || optional === true;
  return Object.entries(wanted).every(isInstalled) && Object.keys(installed).every((path) => path in wanted);
}

function readPackages(path) {
  const { '': _project, ...packages } = JSON.parse(readFileSync(at(path), 'utf8')).packages;
  return packages;
}

async function installPackages() {
  const npm = process.env.npm_execpath;
  // Never the Node below node_modules, which is about to be removed.
  const node = process.env.npm_node_execpath ?? process.execPath;
  // Prisma would download a native engine, which nothing here uses; any existing program keeps it from that.
  const env = { ...process.env, ...QUIET, PRISMA_SCHEMA_ENGINE_BINARY: node, npm_config_loglevel: 'error' };
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  if (npm === undefined) await runQuietly('npm', args, env);
  else await runQuietly(node, [npm, ...args], env);
}

async function generateClient() {
  const env = { ...process.env, ...QUIET, PRISMA_SCHEMA_ENGINE_BINARY: pinnedNode() };
  await runQuietly(pinnedNode(), [at('node_modules/prisma/build/index.js'), 'generate', '--no-hints'], env);
}

/** Shows what the program said only when it failed. */
async function runQuietly(program, args, env = { ...process.env, ...QUIET }) {
  const child = spawn(program, args, { cwd: at(), env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((done, fail) => child.once('error', fail).once('close', done));
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} failed (${code}):\n${beginningOf(output)}`);
}

function beginningOf(output) {
  return output.trim().split('\n').slice(0, SHOWN_LINES).join('\n');
}
