import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { anOrder } from '../builders/an-order.js';
import { rowsOf } from '../support/database.js';
import { declaredNames, parseScrape, type Sample, sampleOf } from '../support/prometheus.js';
import { Relay } from '../support/relay.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';

const MAX_SERIES = 1500;
const RANDOM_ADDRESSES = Number(process.env['RANDOM_ADDRESSES'] ?? 2000);
const INSTANCES = Number(process.env['INSTANCES'] ?? 500);
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'MKCOL', 'LOCK', 'REPORT'];
/** Everything that the documentation promises by name. */
const PROMISED = [
  'http_server_request_duration_seconds_bucket',
  'http_client_request_duration_seconds_bucket',
  'gpusvc_instances',
  'gpusvc_instance_provision_duration_seconds_bucket',
  'gpusvc_workflow_step_total',
  'gpusvc_workflow_oldest_due_seconds',
  'gpusvc_leases_lost_total',
  'gpusvc_fencing_rejects_total',
  'gpusvc_orphans_found_total',
  'gpusvc_webhook_attempts_total',
  'gpusvc_webhook_oldest_pending_seconds',
  'gpusvc_webhook_endpoints',
  'gpusvc_spot_migrations_total',
  'gpusvc_upstream_spend_usd_total',
  'gpusvc_build_info',
  'gpusvc_upstream_calls_total',
  'gpusvc_upstream_circuit_open',
  'gpusvc_retirements_failing',
];

let world: World;
let receiver: WebhookReceiver;
// A shared machine may be many times slower than an own one.
jest.setTimeout(Math.max(120_000, RANDOM_ADDRESSES * 20));

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  world = await World.start({ replicas: 2, env: { WEBHOOK_ALLOWED_HOSTS: receiver.host } });
});
afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

async function scrape(replica = 0): Promise<{ text: string; samples: Sample[] }> {
  const answer = await fetch(`${world.services[replica]!.url}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  return { text, samples: parseScrape(text) };
}

async function runningInstance(): Promise<string> {
  const { body } = await world.service.post<{ instanceId: string }>(
    '/api/instances',
    anOrder({ webhookUrl: receiver.url }),
  );
  await eventually(async () => {
    const answer = await world.service.get<{ status: string }>(`/api/instances/${body.instanceId}`);
    return answer.body.status === 'running';
  });
  await eventually(async () =>
    receiver.events('instance.ready').some((one) => one.body['instanceId'] === body.instanceId),
  );
  return body.instanceId;
}

/** Names in a PromQL expression that are metrics of ours or of the process. */
function metricsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:gpusvc|http|nodejs|process)_\w+/g)]
    .map(([name]) => name)
    .filter((name) => !['http_route', 'http_request_method', 'http_response_status_code'].includes(name));
}

describe('/metrics', () => {
  it('has every promised metric', async () => {
    const { text } = await scrape();

    const declared = declaredNames(text);
    expect(PROMISED.filter((name) => !declared.has(name))).toEqual([]);
  });

  it('tells of an instance, of its machine and of what was done for it, on every replica the same', async () => {
    await runningInstance();

    const both = await eventually(async () => {
      const scrapes = [(await scrape(0)).samples, (await scrape(1)).samples] as const;
      return scrapes.every((one) => sampleOf(one, 'gpusvc_instances', { phase: 'running' }) === 1) && scrapes;
    });

    for (const samples of both) {
      expect(sampleOf(samples, 'gpusvc_placements', { state: 'confirmed' })).toBe(1);
      expect(sampleOf(samples, 'gpusvc_database_up')).toBe(1);
      expect(sampleOf(samples, 'gpusvc_retirements_failing')).toBe(0);
      expect(sampleOf(samples, 'gpusvc_observer_last_sweep_age_seconds')).toBeLessThan(30);
      expect(sampleOf(samples, 'gpusvc_upstream_spend_usd_total')).toBeGreaterThan(0);
    }
    const summed = (name: string, labels: Record<string, string>) =>
      both
        .flat()
        .filter((sample) => sample.name === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === v))
        .reduce((sum, { value }) => sum + value, 0);
    expect(summed('gpusvc_instance_events_total', { type: 'instance.ready' })).toBe(1);
    expect(summed('gpusvc_instance_provision_duration_seconds_count', {})).toBe(1);
    expect(summed('gpusvc_webhook_attempts_total', { outcome: '2xx' })).toBeGreaterThanOrEqual(1);
    expect(summed('gpusvc_upstream_calls_total', { call: 'create', outcome: 'ok' })).toBe(1);
    // The other replica may have been on its way to the same step.
    expect(summed('gpusvc_workflow_step_total', { step: 'buy' })).toBeGreaterThanOrEqual(1);
    expect(
      summed('http_server_request_duration_seconds_count', {
        http_route: '/api/instances',
        http_request_method: 'POST',
        http_response_status_code: '201',
      }),
    ).toBe(1);
  });

  it('stays bounded whatever is asked for, and no label holds an id or an address', async () => {
    const id = await runningInstance();
    const ask = (index: number) =>
      fetch(`${world.service.url}/${['', 'api/', 'api/instances/', 'docs/'][index % 4]}x${index}-${id}?q=${index}`, {
        method: METHODS[index % METHODS.length]!,
      }).then((answer) => answer.arrayBuffer());
    for (let start = 0; start < RANDOM_ADDRESSES; start += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => ask(start + index)));

    const { samples } = await scrape();

    expect(samples.length).toBeLessThanOrEqual(MAX_SERIES);
    const values = samples.flatMap(({ labels }) => Object.values(labels));
    expect(values.filter((value) => /inst-|plc-|evt_|\bx\d+|:\/\/|[0-9a-f]{8}-/.test(value))).toEqual([]);
    expect(
      sampleOf(samples, 'http_server_request_duration_seconds_count', { http_route: 'unmatched' }),
    ).toBeGreaterThan(0);
  });

  it('has no more series for many instances than for one', async () => {
    const id = await runningInstance();
    const few = (await scrape()).samples.length;
    // Copies of a running instance that nobody looks after.
    await rowsOf(
      world.database,
      `INSERT INTO instances
       SELECT (jsonb_populate_record(one, jsonb_build_object(
                'id', 'inst-many-' || n, 'current_placement_id', NULL, 'next_check_at', NULL))).*
         FROM instances one, generate_series(1, ${INSTANCES}) n WHERE one.id = '${id}'`,
    );

    const samples = await eventually(async () => {
      const { samples: seen } = await scrape();
      return sampleOf(seen, 'gpusvc_instances', { phase: 'running' }) >= INSTANCES && seen;
    });

    expect(samples.length).toBeLessThanOrEqual(MAX_SERIES);
    // What the scrapes themselves have added in between, and not one for each instance.
    expect(samples.length - few).toBeLessThan(50);
  });

  it('is what dashboards and alerts name', async () => {
    const declared = declaredNames((await scrape()).text);
    const dashboard = readFileSync('deploy/grafana/novita-gpu-instances.json', 'utf8');
    const rules = readFileSync('deploy/prometheus/alerts.yaml', 'utf8');

    const panels = (JSON.parse(dashboard) as { panels: { targets?: { expr: string }[] }[] }).panels;
    const expressions = [
      ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...(parse(rules) as { groups: { rules: { expr: string }[] }[] }).groups.flatMap((group) =>
        group.rules.map(({ expr }) => expr),
      ),
    ];
    expect(expressions.length).toBeGreaterThan(20);
    for (const expression of expressions) {
      const names = metricsIn(expression);
      expect({ expression, names: names.length > 0 || /\bup\b/.test(expression) }).toEqual({ expression, names: true });
      expect({ expression, unknown: names.filter((name) => !declared.has(name)) }).toEqual({ expression, unknown: [] });
    }
  });
});

describe('/metrics while the database is away', () => {
  it('shows no figure of the installation, spend included, rather than an old one or 0', async () => {
    const address = new URL(world.database.url);
    const relay = await Relay.to(address.hostname, Number(address.port));
    address.port = String(relay.port);
    const cut = await world.addService({ DATABASE_URL: address.href });
    const figures = async () => {
      const samples = parseScrape(await (await fetch(`${cut.url}/metrics`)).text());
      return { up: sampleOf(samples, 'gpusvc_database_up'), names: new Set(samples.map(({ name }) => name)) };
    };
    await eventually(async () => (await figures()).names.has('gpusvc_upstream_spend_usd_total'));

    relay.refuse();

    const { names } = await eventually(async () => {
      const seen = await figures();
      return seen.up === 0 && seen;
    });
    expect([...names].filter((name) => /spend|gpusvc_instances$|orphans_known/.test(name))).toEqual([]);
    await relay.stop();
  });
});
