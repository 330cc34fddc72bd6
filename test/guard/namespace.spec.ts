import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { AddressGuard } from '../../src/webhooks/address-guard.js';
import { GuardedHttp } from '../../src/webhooks/guarded-http.js';
import {
  attackByRebinding,
  attackCanaries,
  attackersZone,
  CANARY_ADDRESSES,
  POLICY,
  PUBLIC_ADDRESS,
  REBINDS,
} from './attacks.js';
import { RecordingDialler } from './fakes.js';
import type { NamespaceReport } from './inside-namespace.js';

const run = promisify(execFile);

/** A namespace of its own needs root and two programs of Linux distributions; elsewhere the recording dialler stands in. */
function canMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' }).status === 0;
}

async function attackInsideNamespace(): Promise<NamespaceReport> {
  const addresses = [...CANARY_ADDRESSES, PUBLIC_ADDRESS].filter((address) => !/^(127\.|::1$)/.test(address));
  const setUp = ['ip link set lo up', ...addresses.map((address) => `ip addr add ${address} dev lo`)];
  const script = [...setUp, 'exec "$0" --import ./test/guard/typescript-hooks.mjs test/guard/inside-namespace.ts'];
  const { stdout } = await run('unshare', ['-n', 'sh', '-ec', script.join('\n'), process.execPath], {
    timeout: 50_000,
  });
  return JSON.parse(stdout) as NamespaceReport;
}

describe('the guard under attack', () => {
  it('dials no canary and, of a name that rebinds, only the public address', async () => {
    const dialler = new RecordingDialler();
    const http = new GuardedHttp(new AddressGuard(POLICY, attackersZone()), dialler);

    const attempts = await attackCanaries(http);
    await attackByRebinding(http);

    expect(attempts).toBeGreaterThan(1000);
    expect(new Set(dialler.dialled)).toEqual(new Set([PUBLIC_ADDRESS]));
    expect(dialler.dialled).toHaveLength(REBINDS / 2);
  });

  if (canMakeNamespaces()) {
    it('lets no connection through to any canary, with real sockets in a network of its own', async () => {
      const report = await attackInsideNamespace();

      expect(report.reachableUnguarded).toBe(report.canaries);
      expect(report.attempts).toBeGreaterThan(1000);
      expect(report.hits).toEqual([]);
      expect(report.publicHits).toBe(REBINDS / 2);
      expect(report.redirectStatus).toBe(307);
    }, 60_000);
  }
});
