import type { Product } from './catalogue.ts';
import { CLUSTERS, isOffered, PRODUCTS, sellsSpot } from './catalogue.ts';
import type { Endpoints } from './endpoints.ts';
import type { FaultKind } from './faults.ts';
import { readOrder } from './order.ts';
import type { Machine } from './machine.ts';
import { instanceNotFound, invalidParameter, Refusal } from './refusal.ts';
import { REGISTRY_AUTHS, TEMPLATES } from './templates.ts';
import { clusterJson, detailedMachine, jobJson, listedMachine, productJson, templateJson } from './wire.ts';
import type { World } from './world.ts';

export interface ApiCall {
  query: URLSearchParams;
  body: unknown;
  /** Faults that only the endpoint itself can play. */
  fault: FaultKind | null;
}

export interface Upstream {
  world: World;
  endpoints: Endpoints;
  /** Where this sandbox listens, without a path. */
  origin: string;
}

export interface Route {
  endpoint: string;
  /** Returns the body of a 200; may throw a Refusal. */
  run: (call: ApiCall, upstream: Upstream) => string;
}

/** The part of the public API that the stand-in knows, by method and path below the base URL. */
export const ROUTES: Readonly<Record<string, Route>> = {
  'GET /clusters': { endpoint: 'clusters', run: () => JSON.stringify({ data: CLUSTERS.map(clusterJson) }) },
  'GET /products': { endpoint: 'products', run: listProducts },
  'GET /templates': { endpoint: 'templates', run: listTemplates },
  'GET /template': { endpoint: 'template', run: getTemplate },
  'GET /repository/auths': { endpoint: 'auths', run: () => JSON.stringify({ data: REGISTRY_AUTHS }) },
  'POST /gpu/instance/create': { endpoint: 'create', run: create },
  'GET /gpu/instances': { endpoint: 'list', run: listMachines },
  'GET /gpu/instance': { endpoint: 'get', run: getMachine },
  'POST /gpu/instance/start': { endpoint: 'start', run: act((world, machine) => world.start(machine), withState) },
  'POST /gpu/instance/stop': { endpoint: 'stop', run: act((world, machine) => world.stop(machine), withState) },
  'POST /gpu/instance/restart': {
    endpoint: 'restart',
    run: act(
      (world, machine) => world.restart(machine),
      () => '',
    ),
  },
  'POST /gpu/instance/migrate': {
    endpoint: 'migrate',
    run: act(
      (world, machine) => world.migrate(machine),
      () => '',
    ),
  },
  'POST /gpu/instance/delete': { endpoint: 'delete', run: deleteMachine },
  'GET /jobs': { endpoint: 'jobs', run: listJobs },
};

function create({ body }: ApiCall, { world, endpoints }: Upstream): string {
  const machine = world.create(readOrder(body));
  endpoints.applyTo(machine);
  return JSON.stringify({ id: machine.id });
}

function listMachines({ query, fault }: ApiCall, { world }: Upstream): string {
  const { pageSize, pageNum } = readPaging(query, world);
  const status = query.get('status') ?? '';
  const productName = (query.get('productName') ?? '').toLowerCase();
  let machines = world.fleet.roll.named(query.get('name') ?? '');
  if (status !== '') machines = machines.filter((machine) => machine.status === status);
  if (productName !== '')
    machines = machines.filter((machine) => machine.order.product.name.toLowerCase().includes(productName));
  const page = newestFirst(machines, pageSize, pageNum);
  const shown = fault === 'partial-page' ? page.filter(() => world.random.hits(0.5)) : page;
  const total = world.settings.omitTotal ? '' : `,"total":"${machines.length}"`;
  return `{"instances":[${shown.map(listedMachine).join(',')}],"pageSize":${pageSize},"pageNum":${pageNum}${total}}`;
}

/** The arrays are kept oldest first; the console, and so the list, shows the newest first. */
function newestFirst(machines: readonly Machine[], pageSize: number, pageNum: number): Machine[] {
  const end = machines.length - (pageNum - 1) * pageSize;
  return end <= 0 ? [] : machines.slice(Math.max(0, end - pageSize), end).reverse();
}

/** Any other name for these two is ignored, and gives a default page. Page 0 is page 1. */
function readPaging(query: URLSearchParams, { settings }: World): { pageSize: number; pageNum: number } {
  const pageSize = readCount(query, 'pageSize') || settings.defaultPageSize;
  return { pageSize: Math.min(pageSize, settings.maxPageSize), pageNum: readCount(query, 'pageNum') || 1 };
}

function readCount(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (!/^\d*$/.test(text)) throw invalidParameter(`${name}: must be a whole number`);
  return Number(text);
}

function getMachine({ query, fault }: ApiCall, { world, origin }: Upstream): string {
  const now = world.clock.now();
  const machine = world.get(query.get('instanceId') ?? '', 404);
  if (machine.visibleInGetAt > now) throw instanceNotFound(404);
  const details = detailedMachine(machine, world.migrations.runningJob(machine.id), world.settings, now, origin);
  return JSON.stringify(fault === 'wrapped' ? { instance: { ...details, Id: machine.id, id: undefined } } : details);
}

function act(change: (world: World, machine: Machine) => void, answer: (machine: Machine) => string): Route['run'] {
  return ({ body }, { world }) => {
    const machine = world.get(readInstanceId(body), 400);
    change(world, machine);
    return answer(machine);
  };
}

function withState(machine: Machine): string {
  return JSON.stringify({ instanceId: machine.id, state: machine.status });
}

function deleteMachine({ body, fault }: ApiCall, { world }: Upstream): string {
  const machine = world.get(readInstanceId(body), 404);
  if (fault !== 'delete-lies') world.delete(machine);
  return '';
}

function readInstanceId(body: unknown): string {
  const id: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'instanceId') : undefined;
  if (typeof id !== 'string' || id === '') throw invalidParameter('instanceId: is required');
  return id;
}

function listProducts({ query }: ApiCall, { world }: Upstream): string {
  const clusterId = query.get('clusterId') ?? '';
  const name = (query.get('productName') ?? '').toLowerCase();
  const method = query.get('billingMethod') || 'onDemand';
  if (method !== 'onDemand' && method !== 'monthly' && method !== 'spot')
    throw invalidParameter('billingMethod: unknown');
  const cards = readCount(query, 'gpuNum') || 1;
  if (cards > 8) throw invalidParameter('gpuNum: must be at most 8');
  const offers = PRODUCTS.filter(
    (product) =>
      (clusterId === '' || isOffered(product, clusterId)) &&
      product.name.toLowerCase().includes(name) &&
      product.billingMethods.includes(method) &&
      product.cpuPerGpu >= readCount(query, 'minCpuPerGpu') &&
      product.memoryPerGpu >= readCount(query, 'minMemoryPerGpu') &&
      product.maxRootFs >= readCount(query, 'minRootFSSize'),
  );
  return JSON.stringify({ data: offers.map((product) => offerJson(product, clusterId, method, cards, world)) });
}

function offerJson(
  product: Product,
  clusterId: string,
  billingMode: 'onDemand' | 'monthly' | 'spot',
  cards: number,
  world: World,
): object {
  const clusters = CLUSTERS.map(({ id }) => id).filter((id) =>
    clusterId === '' ? isOffered(product, id) : id === clusterId,
  );
  const places = clusters.map((id) => ({ productId: product.id, clusterId: id, billingMode }));
  const isSold = product.deployable && (billingMode !== 'spot' || sellsSpot(product));
  const open = isSold ? places.filter((place) => world.fleet.stock.hasRoom(place, cards)) : [];
  const free = open.reduce((sum, place) => sum + world.fleet.stock.freeCards(place), 0);
  return productJson(product, open.length > 0, inventoryState(free));
}

function inventoryState(freeCards: number): string {
  if (freeCards <= 0) return 'none';
  if (freeCards < 8) return 'low';
  return freeCards < 64 ? 'normal' : 'high';
}

function listTemplates({ query }: ApiCall, { world }: Upstream): string {
  const channel = query.get('channel');
  if (channel !== 'official' && channel !== 'community' && channel !== 'private')
    throw invalidParameter('channel: value must be in list [official community private]');
  if (!['true', 'false'].includes(query.get('isMyCommunity') ?? ''))
    throw invalidParameter('isMyCommunity: is required');
  const name = (query.get('name') ?? '').toLowerCase();
  const { pageSize, pageNum } = readPaging(query, world);
  const found = TEMPLATES.filter(
    (template) =>
      template.channel === channel && template.ofSomeoneElse !== true && template.name.toLowerCase().includes(name),
  );
  const page = found.slice((pageNum - 1) * pageSize, pageNum * pageSize);
  return JSON.stringify({ template: page.map(templateJson), pageSize, pageNum, total: found.length });
}

function getTemplate({ query }: ApiCall): string {
  const template = TEMPLATES.find(({ Id }) => Id === query.get('templateId'));
  if (template === undefined) throw new Refusal(400, 'TEMPLATE_NOT_FOUND', 'template not found');
  if (template.ofSomeoneElse === true) throw new Refusal(400, 'TEMPLATE_IS_PRIVATE', 'template is private');
  return JSON.stringify({ template: templateJson(template) });
}

function listJobs({ query }: ApiCall, { world }: Upstream): string {
  const { pageSize, pageNum } = readPaging(query, world);
  const is = (name: string, value: string): boolean => (query.get(name) || value) === value;
  const from = readCount(query, 'startTime') * 1000;
  const to = readCount(query, 'endTime') * 1000 || Infinity;
  const jobs = world.migrations.jobs
    .filter(
      (job) =>
        is('jobId', job.Id) &&
        is('state', job.state) &&
        is('type', job.type) &&
        job.createdAt >= from &&
        job.createdAt <= to,
    )
    .reverse();
  const page = jobs.slice((pageNum - 1) * pageSize, pageNum * pageSize);
  return JSON.stringify({ jobs: page.map(jobJson), total: jobs.length });
}
