import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { applyState } from './control.ts';
import { Sandbox } from './sandbox.ts';
import { BASE_PATH, createSandboxServer } from './server.ts';

const PARENT_CHECK_MS = 500;

/** Orphans are reparented: a ppid that changed, or a watched process that is gone, means that nobody needs this one. */
function exitWithParent(): void {
  const watched = Number(process.env['SANDBOX_PARENT_PID'] ?? 0);
  if (watched === 0 && !process.argv.includes('--exit-with-parent')) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (watched === 0 ? process.ppid !== parent : !isAlive(watched)) process.exit(0);
  }, PARENT_CHECK_MS);
  timer.unref();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function readState(): object | undefined {
  const path = process.env['SANDBOX_STATE'];
  if (path === undefined || path === '') return undefined;
  const state: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof state !== 'object' || state === null) throw new Error(`${path} does not hold a JSON object`);
  return state;
}

function main(): void {
  const host = process.env['SANDBOX_HOST'] || '127.0.0.1';
  const sandbox = new Sandbox(process.env['SANDBOX_API_KEY'] || undefined);
  const state = readState();
  const server = createSandboxServer(sandbox);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
  exitWithParent();
  server.listen(Number(process.env['SANDBOX_PORT'] || 0), host, () => {
    const { port } = server.address() as AddressInfo;
    sandbox.origin = `http://${host}:${port}`;
    if (state !== undefined) applyState(state, sandbox);
    process.stdout.write(
      `${JSON.stringify({ sandbox: 'listening', url: sandbox.origin, baseUrl: sandbox.origin + BASE_PATH })}\n`,
    );
  });
}

main();
