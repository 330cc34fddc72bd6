import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
export const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** What the scripts in here need; the service itself runs on the Node that package.json pins. */
const OLDEST_FOR_SCRIPTS = [20, 12];
const OLDEST_FOR_SERVICE = [22, 12];

export function at(...path) {
  return join(ROOT, ...path);
}

export function requireUsableNode() {
  if (isAtLeast(OLDEST_FOR_SCRIPTS)) return;
  console.error(`Node ${process.versions.node} is too old: ${OLDEST_FOR_SCRIPTS.join('.')} or newer is needed.`);
  process.exit(1);
}

/** The Node that was installed with the packages; without it (a production image) the one that runs us. */
export function pinnedNode() {
  const pinned = at('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(pinned)) return pinned;
  if (isAtLeast(OLDEST_FOR_SERVICE)) return process.execPath;
  throw new Error(`Node ${OLDEST_FOR_SERVICE.join('.')} or newer is needed, and none was installed with the packages.`);
}

/** Reads `.env`; what the environment already says wins. */
export function loadEnvFile() {
  if (existsSync(at('.env'))) process.loadEnvFile(at('.env'));
}

/** What the environment says, or the file that NAME_FILE names. @throws when there is no such file */
export function setting(name) {
  const value = process.env[name]?.trim();
  if (value !== undefined && value !== '') return value;
  const path = process.env[`${name}_FILE`]?.trim();
  return path === undefined || path === '' ? undefined : readFileSync(path, 'utf8').trim() || undefined;
}

function isAtLeast([major, minor]) {
  const [ours = 0, oursMinor = 0] = process.versions.node.split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}
