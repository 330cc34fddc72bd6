import { describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { parse, parseAllDocuments } from 'yaml';
import { loadSettings } from '../../src/platform/config.js';

interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, unknown>;
}

const KUBERNETES = 'deploy/kubernetes';

function manifests(): Manifest[] {
  return readdirSync(KUBERNETES).flatMap((file) =>
    parseAllDocuments(readFileSync(`${KUBERNETES}/${file}`, 'utf8'), { strict: true, uniqueKeys: true }).map((one) => {
      expect({ file, errors: one.errors }).toEqual({ file, errors: [] });
      return one.toJS() as Manifest;
    }),
  );
}

function manifest(kind: string): Manifest {
  const found = manifests().find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`There is no ${kind}`);
  return found;
}

interface Pod {
  terminationGracePeriodSeconds: number;
  securityContext: Record<string, unknown>;
  containers: {
    env: { name: string; value?: string; valueFrom?: { secretKeyRef?: object } }[];
    livenessProbe: { httpGet: { path: string } };
    readinessProbe: { httpGet: { path: string } };
    startupProbe: { httpGet: { path: string } };
    securityContext: Record<string, unknown>;
  }[];
}

function pod(): Pod {
  return (manifest('Deployment').spec['template'] as { spec: Pod }).spec;
}

describe('the Kubernetes manifests', () => {
  it('are a deployment with all that keeps it up and in', () => {
    const kinds = manifests().map(({ kind }) => kind);

    expect(kinds.toSorted()).toEqual(
      [
        'ConfigMap',
        'Deployment',
        'HorizontalPodAutoscaler',
        'NetworkPolicy',
        'PodDisruptionBudget',
        'Service',
        'ServiceAccount',
      ].toSorted(),
    );
    expect(manifest('PodDisruptionBudget').spec).toMatchObject({ minAvailable: 1 });
    expect(manifest('NetworkPolicy').spec['policyTypes']).toEqual(['Ingress', 'Egress']);
  });

  it('probe what each probe is for, and leave a replica the time it needs to end', () => {
    const [container] = pod().containers;

    expect(container!.livenessProbe.httpGet.path).toBe('/health/live');
    expect(container!.readinessProbe.httpGet.path).toBe('/health/ready');
    expect(container!.startupProbe.httpGet.path).toBe('/health/startup');
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThan(10);
  });

  it('take every secret by reference, and run as nobody', () => {
    const [container] = pod().containers;
    const secrets = container!.env.filter(({ name }) => /KEY|SECRET|PASSWORD|DATABASE_URL|TOKEN/.test(name));

    expect(secrets.length).toBeGreaterThanOrEqual(4);
    for (const { name, value, valueFrom } of secrets)
      expect({ name, value, isReference: valueFrom?.secretKeyRef !== undefined }).toEqual({
        name,
        value: undefined,
        isReference: true,
      });
    expect(pod().securityContext).toMatchObject({ runAsNonRoot: true });
    expect(container!.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  });

  it('set nothing that the service refuses', () => {
    const values = pod().containers[0]!.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
    const env = { ...Object.fromEntries(values), DATABASE_URL: 'postgresql://db/x', NOVITA_API_KEY: 'sk' } as Record<
      string,
      string
    >;

    expect(loadSettings(env)).toMatchObject({ host: '0.0.0.0', shutdownDelayMs: 4000 });
  });
});

interface Compose {
  services: Record<
    string,
    { healthcheck?: object; deploy?: { replicas: number }; profiles?: string[]; ports?: string[] }
  >;
}

describe('docker-compose.yml', () => {
  it('runs two replicas behind a balancer, all of them with health checks, published on the loopback alone', () => {
    const { services } = parse(readFileSync('docker-compose.yml', 'utf8'), { strict: true }) as Compose;

    expect(Object.keys(services).toSorted()).toEqual(['balancer', 'postgres', 'sandbox', 'service']);
    expect(services['service']).toMatchObject({ deploy: { replicas: 2 } });
    expect(services['sandbox']).toMatchObject({ profiles: ['sandbox'] });
    for (const [name, service] of Object.entries(services)) {
      expect({ name, hasCheck: service.healthcheck !== undefined }).toEqual({ name, hasCheck: true });
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  it('is taken by docker compose, where there is one', () => {
    const compose = (...args: string[]) => spawnSync('docker', ['compose', ...args], { encoding: 'utf8' });
    const isThere = compose('version').status === 0;

    const judged = isThere ? compose('--profile', 'sandbox', 'config', '--quiet') : null;

    expect(judged === null || judged.status === 0 ? '' : judged.stderr).toBe('');
  });
});

describe('npm run sbom', () => {
  it('names every package that the image holds', () => {
    const npm = process.env['npm_execpath'];
    const sbom = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'];
    const [program, args] = npm === undefined ? ['npm', sbom] : [process.execPath, [npm, ...sbom]];

    const text = execFileSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });

    const { bomFormat, components } = JSON.parse(text) as { bomFormat: string; components: { name: string }[] };

    expect(bomFormat).toBe('CycloneDX');
    expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(['fastify', 'pg-boss', 'prom-client']));
  });
});
