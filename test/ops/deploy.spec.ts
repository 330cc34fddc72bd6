import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
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

/** Those that `kubectl apply -f deploy/kubernetes/` takes, which does not look into folders. */
const APPLIED = readdirSync(KUBERNETES, { withFileTypes: true }).flatMap((file) => (file.isFile() ? [file.name] : []));
const OPTIONAL = ['autoscaler/autoscaler.yaml'];

function manifests(files: readonly string[] = APPLIED): Manifest[] {
  return files.flatMap((file) =>
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

interface ServiceMonitor {
  readonly spec: { readonly selector: { readonly matchLabels: object }; readonly endpoints: readonly object[] };
}

type Model = new (manifest: unknown) => { validate(): void };

/** What the manifest's kind must look like, as Kubernetes publishes it. */
async function modelOf({ apiVersion, kind }: Manifest): Promise<Model> {
  const packageOf = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models';
  const models = (await import(`${packageOf}/${apiVersion}`)) as Record<string, Model | undefined>;
  const model = models[kind];
  if (model === undefined) throw new Error(`There is no ${kind} in ${apiVersion}`);
  return model;
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
    resources: { limits: { memory: string } };
  }[];
}

function pod(): Pod {
  return (manifest('Deployment').spec['template'] as { spec: Pod }).spec;
}

describe('the Kubernetes manifests', () => {
  it('are a deployment with all that keeps it up and in', () => {
    const kinds = manifests().map(({ kind }) => kind);

    expect(kinds.toSorted()).toEqual(
      ['ConfigMap', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'ServiceAccount'].toSorted(),
    );
    expect(manifest('PodDisruptionBudget').spec).toMatchObject({ minAvailable: 1 });
    expect(manifest('NetworkPolicy').spec['policyTypes']).toEqual(['Ingress', 'Egress']);
  });

  it.each([
    ...manifests([...APPLIED, ...OPTIONAL]),
    parse(readFileSync('deploy/prometheus/service-monitor.yaml', 'utf8')) as Manifest,
  ])('are what Kubernetes takes: $kind', async (one) => {
    const Model = await modelOf(one);

    expect(() => new Model(one).validate()).not.toThrow();
    expect(() => new Model({ ...one, metadata: 'nonsense' }).validate()).toThrow();
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

  it('believe no address that callers claim, unless somebody says whose word is good', () => {
    expect(Object.keys((manifest('ConfigMap') as unknown as { data: object }).data)).toEqual(['LOG_LEVEL']);
  });

  it('let the heap have less memory than the pod', () => {
    const limit = /^(\d+)Mi$/.exec(pod().containers[0]!.resources.limits.memory)?.[1];
    const heap = /--max-old-space-size=(\d+)/.exec(readFileSync('Dockerfile', 'utf8'))?.[1];

    expect(Number(heap)).toBeLessThanOrEqual(Number(limit) * 0.75);
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

describe('the scrape configurations', () => {
  it('show a key, by reference, and match the service', () => {
    const monitor = parse(readFileSync('deploy/prometheus/service-monitor.yaml', 'utf8')) as ServiceMonitor;
    const [scrape] = parse(readFileSync('deploy/prometheus/scrape.yaml', 'utf8')) as Record<string, unknown>[];
    const labels = (manifest('Service').metadata as { labels?: object }).labels;

    expect(monitor.spec.selector.matchLabels).toEqual(labels);
    expect(monitor.spec.endpoints).toEqual([
      expect.objectContaining({
        path: '/metrics',
        authorization: { type: 'Bearer', credentials: { name: 'novita-gpu-instances-metrics', key: 'key' } },
      }),
    ]);
    expect(scrape).toMatchObject({
      job_name: 'novita-gpu-instances',
      authorization: { credentials_file: expect.stringMatching(/^\//) },
    });
  });

  it('are not contradicted by annotations, which cannot carry a key', () => {
    const template = manifest('Deployment').spec['template'] as { metadata: { annotations?: object } };

    expect(Object.keys(template.metadata.annotations ?? {})).toEqual([]);
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
