// `npm run lockfile:complete`, after dependencies have changed: names the builds for other platforms in package-lock.json.
// A registry mirror that carries only this platform's builds leaves them out, and then `npm ci` refuses the file everywhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { at } from './lib/project.mjs';

const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const LOCKFILE = at('package-lock.json');

const lockfile = JSON.parse(readFileSync(LOCKFILE, 'utf8'));
const missing = Object.entries(lockfile.packages).flatMap(([parent, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(([name]) => !isListed(parent, name))
    .map(([name, version]) => ({ path: `node_modules/${name}`, entry: describe(name, version, entry) })),
);
const packages = Object.entries({
  ...lockfile.packages,
  ...Object.fromEntries(missing.map((added) => [added.path, added.entry])),
});
lockfile.packages = Object.fromEntries(packages.sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(LOCKFILE, `${JSON.stringify(lockfile, null, 2)}\n`);
const names = missing.map((added) => `\n  ${added.path}`);
console.log(names.length === 0 ? 'Nothing was missing.' : `Added${names.join('')}`);

function isListed(parent, name) {
  return `${parent}/node_modules/${name}` in lockfile.packages || `node_modules/${name}` in lockfile.packages;
}

function describe(name, version, parent) {
  // Without this npm would not know on which machines to leave the package out.
  const words = name.split(/[/-]/).map((word) => (/^arm(v\d|eabi|$)/.test(word) ? 'arm' : word));
  const os = words.filter((word) => SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length + cpu.length === 0) throw new Error(`${name}: its name does not say for which platform it is`);
  return {
    version,
    ...(cpu.length > 0 && { cpu }),
    ...(parent.dev === true && { dev: true }),
    ...libcOf(words),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

function libcOf(words) {
  if (words.some((word) => word.startsWith('musl'))) return { libc: ['musl'] };
  return words.some((word) => word.startsWith('gnu')) ? { libc: ['glibc'] } : {};
}
