// The build: compiles src and puts it, with the packages that it loads when it starts, into a few files below dist.
// Looking up, reading and compiling some 2,900 files one by one was most of what a start took.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { transform } from '@swc/core';
import { rolldown } from 'rolldown';
import { at } from './project.mjs';
import { NEVER_NEEDED, sparing } from './sparing.mjs';

/** What is started as a program. It awaits at its top, so that no other file may wait for it. */
const PROGRAMS = ['main', 'keys/keys.cli'];
/** What `npm start` itself loads before the service: a file of its own, as the rest is large. */
const STARTERS = [
  'app.settings',
  'platform/config',
  'platform/database/embedded-postgres',
  'platform/database/migrate',
];
const OTHERS = ['app.setup'];

/** They look for files beside their own. */
const NEVER_BUNDLED = [/^swagger-ui-dist(\/|$)/, /^@prisma\/schema-engine-wasm(\/|$)/];

const isPackage = (id) => /[\\/]node_modules[\\/]/.test(id);
const isOurs = (id) => id.startsWith(at('src'));
const sourceOf = (name) => at('src', `${name}.ts`);

/** As .swcrc says, with the metadata of decorators, which no bundler knows how to make. */
const compiling = {
  name: 'compile',
  async transform(_code, id) {
    if (!isOurs(id)) return null;
    // Read again: rolldown's idea of the text has no bearing on what SWC maps its lines to.
    const { code, map } = await transform(readFileSync(id, 'utf8'), { filename: id, sourceMaps: true });
    return { code, map, moduleType: 'js' };
  },
};

/** What is loaded with an entry, as opposed to what it asks for later. */
const reached = { atStart: new Set(), byStarters: new Set() };
const reaching = {
  name: 'reach',
  buildEnd() {
    const from = (names) => reach(names.map(sourceOf), (id) => this.getModuleInfo(id)?.importedIds ?? []);
    reached.byStarters = from(STARTERS);
    reached.atStart = from([...PROGRAMS, ...OTHERS]);
  },
};

function reach(entries, importsOf) {
  const found = new Set(entries);
  for (const id of found) for (const imported of importsOf(id)) found.add(imported);
  return found;
}

const finishing = {
  name: 'finish',
  generateBundle(_options, bundle) {
    const chunks = Object.values(bundle).filter(({ type }) => type === 'chunk');
    const bundled = new Set(chunks.flatMap(({ moduleIds }) => moduleIds.map(packageOf)));
    for (const chunk of chunks) {
      refuseSecondCopies(chunk.code, bundled);
      chunk.code = inAscii(chunk.code);
      // Only our own lines are named in stack traces; maps of all packages would be kept in memory.
      if (!chunk.moduleIds.some(isOurs)) {
        chunk.code = chunk.code.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
        delete bundle[`${chunk.fileName}.map`];
      }
    }
  },
};

function packageOf(id) {
  return /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(id)?.[1].replaceAll('\\', '/');
}

/** A `require` that was left as it is (rolldown calls its own `__require`), or a later import, of a package by its name. */
const LATER_LOAD = /(?<!`)\b(?:(?:__)?require(?:\$\d+)?|import)\("((?:@[^/"]+\/)?[^/"]+)[^"]*"\)/g;

/** One package in two copies does not know what was registered with the other. */
function refuseSecondCopies(code, bundled) {
  for (const [call, name] of code.matchAll(LATER_LOAD)) {
    if (!isBuiltin(name) && bundled.has(name)) throw new Error(`${call} would load a second copy of a bundled package`);
  }
}

/** One character beyond Latin-1 doubles what V8 needs for the text of the whole file. */
function inAscii(code) {
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Packages look for others that they can do without; those that are not installed stay what they are. */
function onLog(level, log, report) {
  if (log.code === 'INEFFECTIVE_DYNAMIC_IMPORT') return;
  // How long the plugins took says more about a busy machine than about the bundle.
  if (log.code === 'PLUGIN_TIMINGS') return;
  if (log.code === 'UNRESOLVED_IMPORT' && isPackage(log.id ?? '') && !isInstalled(unresolvedIn(log), log.id)) return;
  if (level === 'warn') throw new Error(log.message);
  report(level, log);
}

function unresolvedIn({ message }) {
  const [, name] = /resolve '([^']+)'/.exec(message) ?? [];
  if (name === undefined) throw new Error(message);
  return name;
}

function isInstalled(name, from) {
  const [, packageName = name] = /^((?:@[^/]+\/)?[^/]+)/.exec(name) ?? [];
  const directories = createRequire(from).resolve.paths(packageName) ?? [];
  return directories.some((directory) => existsSync(join(directory, packageName)));
}

const bundle = await rolldown({
  cwd: at(),
  input: Object.fromEntries([...PROGRAMS, ...STARTERS, ...OTHERS].map((name) => [name, sourceOf(name)])),
  platform: 'node',
  tsconfig: false,
  external: NEVER_BUNDLED,
  resolve: { extensionAlias: { '.js': ['.js', '.ts'] } },
  treeshake: { manualPureFunctions: NEVER_NEEDED },
  plugins: [compiling, sparing, reaching, finishing],
  onLog,
});
const programs = new Set(PROGRAMS.map(sourceOf));
const { output } = await bundle.write({
  dir: at('dist'),
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  // Names of classes are names of providers and of schemas.
  keepNames: true,
  comments: false,
  sourcemap: true,
  sourcemapExcludeSources: true,
  codeSplitting: {
    groups: [
      { name: 'start', test: (id) => reached.byStarters.has(id), priority: 3 },
      { name: 'packages', test: (id) => isPackage(id) && reached.atStart.has(id), priority: 2 },
      { name: 'service', test: (id) => isOurs(id) && !programs.has(id) && reached.atStart.has(id), priority: 1 },
    ],
  },
});
await bundle.close();
keepOnly(output.map(({ fileName }) => fileName));

/** A service that runs on the build before this one still loads some of its files later: they stay until the next. */
function keepOnly(written) {
  const list = at('dist/files.json');
  const [newest = [], before = []] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  const builds = String(newest) === String(written) ? [written, before] : [written, newest];
  const kept = new Set(['files.json', ...builds.flat()]);
  for (const entry of readdirSync(at('dist'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(path.slice(at('dist').length + 1).replaceAll('\\', '/'))) rmSync(path);
  }
  writeFileSync(list, JSON.stringify(builds));
}
