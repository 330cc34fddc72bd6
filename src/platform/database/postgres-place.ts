import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, type Stats } from 'node:fs';
import { chmod, chown, mkdir, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/** A system user that Postgres runs as when we are root, because Postgres refuses to be root. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

export interface Place {
  home: string;
  account: Account | null;
  movedBecause: string | null;
}

/** Written beside the data directory's other files, so that every later start finds the same server. */
interface Pointer {
  /** Relative when inside the data directory. */
  home: string;
  /** The data directory that this pointer was written for; differs after the directory was copied or moved. */
  dataDir: string;
}

const INSIDE = 'postgres';

/** Where the server of this data directory lives, decided at the first start and remembered. */
export async function findPlace(asked: string): Promise<Place> {
  await mkdir(asked, { recursive: true });
  const dataDir = await realpath(asked);
  const isRoot = process.getuid?.() === 0;
  const known = await homeOf(dataDir);
  if (known !== null) {
    await writePointer(dataDir, known);
    return placeAt(known, dataDir, isRoot ? ((await ownerOf(known)) ?? findAccount()) : null);
  }
  const account = isRoot ? findAccount() : null;
  const home = await chooseHome(dataDir, account);
  await writePointer(dataDir, home);
  return placeAt(home, dataDir, account);
}

/** The home that an earlier start chose; null before the first start. */
export async function homeOf(dataDir: string): Promise<string | null> {
  const pointer = await readPointer(dataDir);
  return pointer !== null && belongsHere(pointer, dataDir) ? resolve(dataDir, pointer.home) : null;
}

async function chooseHome(dataDir: string, account: Account | null): Promise<string> {
  if (account === null || (await canEnter(account, dataDir))) return join(dataDir, INSIDE);
  return join(await sharedRoot(), `${basename(dirname(dataDir))}-${randomBytes(4).toString('hex')}`);
}

function placeAt(home: string, dataDir: string, account: Account | null): Place {
  const movedBecause =
    home === join(dataDir, INSIDE)
      ? null
      : `Postgres refuses to run as root, and the user ${account?.name ?? 'that it runs as'} cannot enter ${dataDir}`;
  return { home, account, movedBecause };
}

/** A copy of a data directory must not share the original's server; a directory that was moved keeps its own. */
function belongsHere(pointer: Pointer, dataDir: string): boolean {
  return pointer.home === INSIDE || pointer.dataDir === dataDir || !existsSync(pointerPath(pointer.dataDir));
}

/** Whoever made the data must go on running it: Postgres opens a data directory for its owner only. */
async function ownerOf(home: string): Promise<Account | null> {
  const found = await stat(home).catch(() => null);
  if (found === null || found.uid === 0) return null;
  const name = readAccounts().find(({ uid }) => uid === found.uid)?.name;
  return { name: name ?? String(found.uid), uid: found.uid, gid: found.gid };
}

function pointerPath(dataDir: string): string {
  return join(dataDir, 'postgres.json');
}

async function readPointer(dataDir: string): Promise<Pointer | null> {
  const text = await readFile(pointerPath(dataDir), 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as Pointer);
}

async function writePointer(dataDir: string, home: string): Promise<void> {
  const pointer: Pointer = { home: home === join(dataDir, INSIDE) ? INSIDE : home, dataDir };
  const written = `${pointerPath(dataDir)}.${process.pid}`;
  await writeFile(written, `${JSON.stringify(pointer, null, 2)}\n`);
  await rename(written, pointerPath(dataDir));
}

function findAccount(): Account {
  const existing = accountNamed('postgres') ?? accountNamed('novita-postgres');
  if (existing !== null) return existing;
  // Without useradd (minimal images) there is still nobody.
  spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'novita-postgres']);
  const account = accountNamed('novita-postgres') ?? accountNamed('nobody');
  if (account !== null) return account;
  throw new Error(
    'Postgres refuses to run as root and no other user was found: start as another user or set DATABASE_URL',
  );
}

function accountNamed(name: string): Account | null {
  return readAccounts().find((account) => account.name === name) ?? null;
}

function readAccounts(): Account[] {
  const lines = readFileSync('/etc/passwd', 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [name = '', , uid, gid] = line.split(':');
    return { name, uid: Number(uid), gid: Number(gid) };
  });
}

/** Whether every directory down to this one lets the account pass. */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  for (let current = directory; ; current = dirname(current)) {
    if (!allows(account, await stat(current), 0o1)) return false;
    if (current === dirname(current)) return true;
  }
}

export function allows(account: Account, found: Stats, bits: number): boolean {
  if (found.uid === account.uid) return (found.mode & (bits << 6)) === bits << 6;
  if (found.gid === account.gid) return (found.mode & (bits << 3)) === bits << 3;
  return (found.mode & bits) === bits;
}

export async function giveTo(account: Account | null, path: string): Promise<void> {
  if (account !== null) await chown(path, account.uid, account.gid);
}

/** A directory that every user can enter, for data and programs that cannot stay in a closed home. */
export async function sharedRoot(): Promise<string> {
  for (const parent of ['/var/lib', '/var/tmp', tmpdir()]) {
    const directory = join(parent, 'novita-gpu-instances');
    try {
      await mkdir(directory, { recursive: true });
      await chmod(directory, 0o755);
      return directory;
    } catch {
      continue;
    }
  }
  throw new Error('No directory was found that the user of Postgres can enter: set DATA_DIR or DATABASE_URL');
}
