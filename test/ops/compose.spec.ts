import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { parse } from 'yaml';

const FILE = 'docker-compose.yml';
interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly healthcheck?: { readonly test: readonly string[] };
        readonly deploy?: { readonly replicas: number };
        readonly profiles?: readonly string[];
        readonly ports?: readonly string[];
      }
    >
  >;
}

/** What `docker compose` refuses before it does anything: the file against the published schema of Compose. Errors only. */
function lint(path: string): { status: number | null; said: string } {
  const program = 'node_modules/dclint/bin/dclint.cjs';
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--quiet', path], { encoding: 'utf8' });
  return { status, said: (stdout + stderr).trim() };
}

function compose(): Compose {
  return parse(readFileSync(FILE, 'utf8'), { strict: true }) as Compose;
}

describe('docker-compose.yml', () => {
  it('is taken by the schema of Compose', () => {
    expect(lint(FILE)).toEqual({ status: 0, said: '' });
  });

  it('would not be with a check that YAML reads otherwise', () => {
    const directory = mkdtempSync(join(tmpdir(), 'novita-gpu-instances-compose-'));
    const broken = join(directory, FILE);
    const unquoted = readFileSync(FILE, 'utf8').replace(/^( +- )"(fetch\(.*)\? 0 : 1(.*)"$/m, '$1$2? 0: 1$3');
    writeFileSync(broken, unquoted);

    const verdict = lint(broken);

    rmSync(directory, { recursive: true });
    expect(unquoted).not.toBe(readFileSync(FILE, 'utf8'));
    expect(verdict.status).not.toBe(0);
    expect(verdict.said).toContain('invalid-schema');
  });

  it('runs two replicas behind a balancer, all of them with health checks, published on the loopback alone', () => {
    const { services } = compose();

    expect(Object.keys(services).toSorted()).toEqual(['balancer', 'postgres', 'sandbox', 'service']);
    expect(services['service']).toMatchObject({ deploy: { replicas: 2 } });
    expect(services['sandbox']).toMatchObject({ profiles: ['sandbox'] });
    for (const [name, service] of Object.entries(services)) {
      expect({ name, hasCheck: service.healthcheck !== undefined }).toEqual({ name, hasCheck: true });
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('checks health with programs that can be read', () => {
    const scripts = Object.values(compose().services).flatMap(({ healthcheck }) =>
      healthcheck?.test[1] === 'node' ? [healthcheck.test[3] ?? ''] : [],
    );

    expect(scripts).toHaveLength(2);
    for (const script of scripts) expect(() => new Script(script)).not.toThrow();
  });

  it('is taken by docker compose itself, where there is one', () => {
    const docker = (...args: string[]) => spawnSync('docker', ['compose', ...args], { encoding: 'utf8' });
    const isThere = docker('version').status === 0;

    const judged = isThere ? docker('--profile', 'sandbox', 'config', '--quiet') : null;

    expect(judged === null || judged.status === 0 ? '' : judged.stderr).toBe('');
  });
});
