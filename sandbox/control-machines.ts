import { findCluster, findProduct, isOffered } from './catalogue.ts';
import type { ControlCall } from './control-body.ts';
import { asList, field, number, optionalText, required } from './control-body.ts';
import type { Machine } from './machine.ts';
import { holdsGpu } from './machine.ts';
import type { Order } from './order.ts';
import { readPorts } from './order.ts';
import { instanceNotFound, invalidParameter, Refusal } from './refusal.ts';
import type { Sandbox } from './sandbox.ts';
import type { World } from './world.ts';

/** Machines that nobody ordered through the API: of another user of the account, or in bulk for a test of size. */
export function seedMachines({ body }: ControlCall, { world, endpoints }: Sandbox): object {
  const owner = optionalText(body, 'owner') ?? 'someone-else';
  const status = optionalText(body, 'status') ?? 'running';
  const cluster = findCluster(optionalText(body, 'cluster') ?? optionalText(body, 'clusterId') ?? 'CN-HK-01');
  if (cluster === undefined) throw invalidParameter('unknown cluster');
  const orders = seedNames(body).map((name) => seedOrder(name, body, cluster.id));
  const machines = orders.map((order) => world.seed(order, cluster.id, owner, status));
  for (const machine of machines) endpoints.applyTo(machine);
  return { count: machines.length, ids: machines.map((machine) => machine.id) };
}

function seedNames(body: unknown): string[] {
  const names = field(body, 'names');
  if (names !== undefined) return asList(names).map(String);
  const name = optionalText(body, 'name');
  if (name !== undefined) return [name];
  const prefix = optionalText(body, 'namePrefix') ?? 'foreign-';
  return Array.from({ length: number(body, 'count', 1) }, (_, index) => `${prefix}${index}`);
}

function seedOrder(name: string, body: unknown, clusterId: string): Order {
  const product = findProduct(optionalText(body, 'productId') ?? '4090.16c62g');
  if (product === undefined || !isOffered(product, clusterId))
    throw invalidParameter('unknown product for this cluster');
  const billingMode = optionalText(body, 'billingMode') ?? 'onDemand';
  if (billingMode !== 'onDemand' && billingMode !== 'monthly' && billingMode !== 'spot')
    throw invalidParameter('unknown billingMode');
  return {
    name,
    product,
    clusterId,
    gpuNum: number(body, 'gpuNum', 1),
    rootfsSize: number(body, 'rootfsSize', 60),
    imageUrl: optionalText(body, 'imageUrl') ?? 'docker.io/library/ubuntu:24.04',
    imageAuthId: '',
    ports: readPorts(optionalText(body, 'ports') ?? '22/tcp'),
    envs: asList(field(body, 'envs') ?? []) as Order['envs'],
    tools: [],
    hasJupyter: false,
    command: '',
    entrypoint: '',
    networkStorages: [],
    billingMode,
    months: billingMode === 'monthly' ? 1 : 0,
  };
}

export function listMachines({ query }: ControlCall, { world }: Sandbox): object {
  const prefix = query.get('namePrefix') ?? '';
  const machines = [...world.fleet.machines.values()].filter(({ order }) => order.name.startsWith(prefix));
  return { machines: machines.map(summary) };
}

function summary(machine: Machine): object {
  const { id, clusterId, owner, status, spotStatus, spotReclaimTime, createdAt, protectedUntil } = machine;
  return {
    id,
    name: machine.order.name,
    clusterId,
    owner,
    status,
    spotStatus,
    spotReclaimTime,
    createdAt,
    protectedUntil,
  };
}

/** One machine, by id or by exact name. */
export function changeMachine(idOrName: string, verb: string, { body }: ControlCall, { world }: Sandbox): object {
  const machine = findMachine(decodeURIComponent(idOrName), world);
  const at = world.clock.now();
  switch (verb) {
    case 'notice':
      world.spot.notify(
        machine,
        number(body, 'inSeconds', world.settings.noticeSeconds),
        at,
        field(body, 'hidden') === true,
      );
      break;
    case 'reclaim':
      world.spot.reclaim(machine, at);
      break;
    case 'vanish':
      world.fleet.drop(machine, at);
      break;
    case 'status':
      setStatus(machine, body, world, at);
      break;
    case 'endpoints':
      Object.assign(machine.endpoints, required(body, 'endpoints'));
      break;
    case 'auto-migrate':
      world.migrations.autoMigrate(machine, at);
      break;
    default:
      throw new Refusal(404, 'API_NOT_FOUND', `a machine has no ${verb}`);
  }
  world.settle();
  return summary(machine);
}

/** `autoMigrate` of the control API, with the id in the body. */
export function autoMigrate(call: ControlCall, sandbox: Sandbox): object {
  return changeMachine(optionalText(call.body, 'id') ?? '', 'auto-migrate', call, sandbox);
}

/** The status stays as set until somebody acts: what the machine was about to do is forgotten. */
function setStatus(machine: Machine, body: unknown, world: World, at: number): void {
  const status = optionalText(body, 'status');
  const error = field(body, 'statusError');
  if (error !== undefined) {
    machine.statusError = {
      state: optionalText(error, 'state') ?? 'error',
      message: optionalText(error, 'message') ?? '',
    };
    world.fleet.changed(machine);
  }
  if (status !== undefined) world.fleet.walk(machine, [[status]], at);
}

/** Notice to many (`inSeconds`), or their reclaim at once. `count` or `fraction` of those that match, oldest first. */
export function reclaimMany({ body }: ControlCall, { world }: Sandbox): object {
  const at = world.clock.now();
  const matching = [...world.fleet.machines.values()].filter((machine) => canBeReclaimed(machine, body));
  const count = Math.min(
    number(body, 'count', matching.length),
    Math.ceil(number(body, 'fraction', 1) * matching.length),
  );
  const taken = matching.slice(0, count);
  const inSeconds = number(body, 'inSeconds', 0);
  for (const machine of taken) {
    if (inSeconds > 0) world.spot.notify(machine, inSeconds, at);
    else world.spot.reclaim(machine, at);
  }
  world.settle();
  return { count: taken.length, ids: taken.map((machine) => machine.id) };
}

function canBeReclaimed({ order, clusterId, status, spotStatus }: Machine, body: unknown): boolean {
  const cluster = optionalText(body, 'cluster') ?? optionalText(body, 'clusterId');
  const product = optionalText(body, 'productId');
  return (
    order.billingMode === 'spot' &&
    spotStatus === 'running' &&
    holdsGpu(status) &&
    order.name.startsWith(optionalText(body, 'namePrefix') ?? '') &&
    (cluster === undefined || findCluster(cluster)?.id === clusterId) &&
    (product === undefined || product === order.product.id)
  );
}

function findMachine(idOrName: string, world: World): Machine {
  const machine = world.find(idOrName) ?? world.fleet.roll.named(idOrName).find(({ order }) => order.name === idOrName);
  if (machine === undefined) throw instanceNotFound(404);
  return machine;
}
