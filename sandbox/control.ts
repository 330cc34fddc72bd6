import { autoMigrate, changeMachine, listMachines, reclaimMany, seedMachines } from './control-machines.ts';
import type { ControlCall } from './control-body.ts';
import { asList, field, number, optionalText, probabilities, required } from './control-body.ts';
import { findCluster, findProduct } from './catalogue.ts';
import type { EndpointRule } from './endpoints.ts';
import type { Fault } from './faults.ts';
import { invalidParameter, Refusal } from './refusal.ts';
import type { Sandbox } from './sandbox.ts';
import { applySettings } from './settings.ts';
import type { Place } from './stock.ts';

type Control = (call: ControlCall, sandbox: Sandbox) => unknown;

/** The calls below /__sandbox, by method and path. They are never counted as calls to the upstream. */
const CONTROLS: Readonly<Record<string, Control>> = {
  'GET /health': () => ({ ok: true }),
  'GET /ledger': ({ query }, { world }) =>
    world.fleet.ledger.report(world.clock.now(), {
      namePrefix: query.get('namePrefix') ?? undefined,
      owner: query.get('owner') ?? undefined,
    }),
  'GET /calls': ({ query }, { calls }) => calls.report(query.get('endpoint') ?? undefined),
  'POST /calls/reset': (_call, { calls }) => calls.reset(),
  'GET /time': showTime,
  'POST /time': changeTime,
  'GET /config': (_call, { world }) => world.settings,
  'POST /config': configure,
  'GET /stock': (_call, { world }) => ({
    rules: world.fleet.stock.currentRules(),
    limits: world.fleet.stock.currentLimits(),
  }),
  'POST /stock': setStock,
  'POST /availability': followAvailability,
  'GET /machines': listMachines,
  'POST /machines': seedMachines,
  'POST /machines/reclaim-many': reclaimMany,
  'POST /autoMigrate': autoMigrate,
  'POST /endpoints': addEndpoints,
  'GET /faults': (_call, { faults }) => ({ faults: faults.report() }),
  'POST /faults': armFaults,
  'POST /faults/clear': (_call, { faults }) => faults.clear(),
  'POST /migrate-behaviour': ({ body }, { world }) =>
    Object.assign(
      world.migrations.behaviour,
      MIGRATIONS_GO_WELL,
      probabilities(body, ['refuse', 'stick', 'fail', 'exited']),
      reason(body, 'refuseReason'),
    ),
  'POST /start-behaviour': ({ body }, { world }) =>
    Object.assign(
      world.startBehaviour,
      STARTS_GO_WELL,
      probabilities(body, ['refuseProbability', 'refuseAfterReclaimProbability']),
      reason(body, 'reason'),
    ),
  'POST /reset': (_call, sandbox) => sandbox.reset(),
};

const MIGRATIONS_GO_WELL = { refuse: 0, stick: 0, fail: 0, exited: 0, refuseReason: 'MIGRATE_INSUFFICIENT_RESOURCE' };
const STARTS_GO_WELL = { refuseProbability: 0, refuseAfterReclaimProbability: 0, reason: 'INSUFFICIENT_RESOURCE' };

/** `path` is what follows /__sandbox. */
export function control(method: string, path: string, call: ControlCall, sandbox: Sandbox): unknown {
  const run = CONTROLS[`${method} ${path}`];
  if (run !== undefined) return run(call, sandbox) ?? { ok: true };
  const match = /^\/machines\/([^/]+)\/([a-z-]+)$/.exec(path);
  if (method === 'POST' && match !== null) return changeMachine(match[1] ?? '', match[2] ?? '', call, sandbox);
  throw new Refusal(404, 'API_NOT_FOUND', `the control API has no ${method} ${path}`);
}

/** Applies a start file: control paths without the slash, each with a body or a list of bodies. */
export function applyState(state: object, sandbox: Sandbox): void {
  for (const [path, value] of Object.entries(state) as [string, unknown][]) {
    for (const body of path === 'faults' ? [value] : asList(value)) {
      control('POST', `/${path}`, { query: new URLSearchParams(), body }, sandbox);
    }
  }
}

function showTime(_call: ControlCall, { world }: Sandbox): object {
  const now = world.settle();
  return { now, iso: new Date(now).toISOString(), speed: world.clock.speed };
}

function changeTime(call: ControlCall, sandbox: Sandbox): object {
  const { clock } = sandbox.world;
  const speed = number(call.body, 'speed', clock.speed);
  const seconds = number(call.body, 'advanceSeconds', 0);
  if (speed < 0 || seconds < 0) throw invalidParameter('time does not run backwards');
  clock.setSpeed(speed);
  clock.advance(seconds);
  return showTime(call, sandbox);
}

function configure(call: ControlCall, sandbox: Sandbox): object {
  if (typeof call.body !== 'object' || call.body === null) throw invalidParameter('body must be an object');
  const { stock, ...settings } = call.body as { stock?: unknown };
  applySettings(sandbox.world.settings, settings);
  if (stock !== undefined) setStock({ ...call, body: stock }, sandbox);
  return sandbox.world.settings;
}

function setStock({ body }: ControlCall, { world }: Sandbox): void {
  for (const rule of asList(body)) {
    const count = field(rule, 'count') === null ? null : number(rule, 'count');
    world.fleet.stock.setRule({ ...place(rule), ...billingMode(rule) }, count);
  }
}

/** Either `points` with seconds, or `data` with one count per `gapSeconds`, the form of recorded traces. */
function followAvailability({ body }: ControlCall, { world }: Sandbox): object {
  const { clusterId, productId } = place(body);
  if (clusterId === undefined) throw invalidParameter('cluster is required');
  const points = readPoints(body);
  const notice = field(body, 'noticeSeconds');
  world.spot.follow(
    {
      clusterId,
      points,
      ...(productId === undefined ? {} : { productId }),
      ...(typeof notice === 'number' ? { noticeSeconds: notice } : {}),
    },
    world.clock.now(),
  );
  world.settle();
  return { points: points.length, lastsSeconds: points.at(-1)?.t ?? 0 };
}

function readPoints(body: unknown): { t: number; count: number }[] {
  const data = field(body, 'data');
  if (data === undefined)
    return asList(required(body, 'points')).map((point) => ({ t: number(point, 't'), count: number(point, 'count') }));
  const gap = number(body, 'gapSeconds', number(field(body, 'metadata'), 'gap_seconds', 600));
  const scale = number(body, 'scale', 1);
  const counts = asList(data).map((count) => Number(count) * scale);
  return counts
    .map((count, index) => ({ t: index * gap, count }))
    .filter(({ count }, index) => count !== counts[index - 1]);
}

function place(body: unknown): Partial<Place> {
  const cluster = optionalText(body, 'clusterId') ?? optionalText(body, 'cluster');
  const product = optionalText(body, 'productId') ?? optionalText(body, 'product');
  const clusterId = cluster === undefined ? undefined : findCluster(cluster)?.id;
  if (cluster !== undefined && clusterId === undefined) throw invalidParameter(`unknown cluster ${cluster}`);
  if (product !== undefined && findProduct(product) === undefined)
    throw invalidParameter(`unknown product id ${product}`);
  return {
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(product === undefined ? {} : { productId: product }),
  };
}

function billingMode(body: unknown): Partial<Place> {
  const mode = optionalText(body, 'billingMode');
  if (mode === undefined) return {};
  if (mode !== 'onDemand' && mode !== 'monthly' && mode !== 'spot')
    throw invalidParameter('billingMode is onDemand, monthly or spot');
  return { billingMode: mode };
}

function addEndpoints({ body }: ControlCall, { world, endpoints }: Sandbox): void {
  required(body, 'endpoints');
  endpoints.add(body as EndpointRule, world.fleet.machines.values());
}

/** `{faults: […], seed?, append?}`, or only the list. Without `append` it replaces what was armed. */
function armFaults({ body }: ControlCall, { faults }: Sandbox): object {
  const list = Array.isArray(body) ? (body as unknown[]) : asList(required(body, 'faults'));
  const seed = field(body, 'seed');
  if (typeof seed === 'number') faults.seed(seed);
  faults.arm(list as Fault[], field(body, 'append') === true);
  return { faults: faults.report() };
}

function reason(body: unknown, name: string): object {
  const value = optionalText(body, name);
  return value === undefined ? {} : { [name]: value };
}
