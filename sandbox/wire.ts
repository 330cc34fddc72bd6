import type { Cluster, Product } from './catalogue.ts';
import { CLUSTERS, findCluster, isOffered, PRODUCTS } from './catalogue.ts';
import type { Machine } from './machine.ts';
import { unitPrice } from './machine.ts';
import type { Job } from './migration.ts';
import type { Settings } from './settings.ts';
import type { Template } from './templates.ts';

// The upstream's JSON. Numbers that are strings here are strings there; see the field tables of its reference.

export function epochSeconds(ms: number | null): string {
  return ms === null ? '0' : String(Math.floor(ms / 1000));
}

export function clusterJson({ id, code, place, nameHasPlace }: Cluster): object {
  const offered = PRODUCTS.filter((product) => isOffered(product, id)).map((product) => product.name);
  return {
    id,
    name: nameHasPlace ? `${code} (${place})` : code,
    availableGpuType: [...new Set(offered)],
    supportNetworkStorage: true,
    supportInstanceNetwork: false,
  };
}

export function productJson(product: Product, availableDeploy: boolean, inventoryState: string): object {
  return {
    id: product.id,
    name: product.name,
    cpuPerGpu: product.cpuPerGpu,
    memoryPerGpu: String(product.memoryPerGpu),
    diskPerGpu: 6144,
    availableDeploy,
    minRootFS: 10,
    maxRootFS: String(product.maxRootFs),
    minLocalStorage: 0,
    maxLocalStorage: '0',
    regions: CLUSTERS.filter(({ id }) => product.clusters.includes(id)).map(({ code, place }) => `${code} (${place})`),
    price: String(product.price),
    monthlyPrice: [{ price: String(monthlyPrice(product)), month: 1 }],
    billingMethods: product.billingMethods,
    spotPrice: product.spotPrice,
    inventoryState,
  };
}

/** 1/100 000 USD per GPU and month: 570 hours of the hourly price. */
function monthlyPrice(product: Product): number {
  return product.price * 570;
}

export function templateJson(template: Template): object {
  const shown = { ...template, readme: '', logo: '', type: 'instance', createdAt: '1740000000', recommendCards: [] };
  delete shown.ofSomeoneElse;
  return shown;
}

export function jobJson(job: Job): object {
  return {
    Id: job.Id,
    user: 'sandbox',
    type: job.type,
    envs: [],
    state: { state: job.state, error: job.error, errorMessage: job.errorMessage },
    logAddress: '',
    createdAt: epochSeconds(job.createdAt),
    instanceId: job.instanceId,
  };
}

/** The list form, as text; it is the same until the machine changes. */
export function listedMachine(machine: Machine): string {
  return (machine.listJson ??= JSON.stringify({
    ...common(machine),
    portMappings: ports(machine),
    volumeMounts: volumes(machine, String),
  }));
}

function common(machine: Machine): object {
  const { order } = machine;
  const isRemoved = machine.status === 'removed';
  return {
    id: machine.id,
    name: order.name,
    clusterId: machine.clusterId,
    clusterName: findCluster(machine.clusterId)?.code ?? '',
    status: machine.status,
    statusError: machine.statusError,
    productId: isRemoved ? '' : order.product.id,
    productName: isRemoved ? '' : order.product.name,
    cpuNum: String(order.product.cpuPerGpu * order.gpuNum),
    memory: String(order.product.memoryPerGpu * order.gpuNum),
    gpuNum: String(order.gpuNum),
    rootfsSize: order.rootfsSize,
    imageUrl: order.imageUrl,
    imageAuthId: order.imageAuthId,
    command: order.command,
    entrypoint: order.entrypoint,
    envs: order.envs,
    kind: 'gpu',
    billingMode: order.billingMode,
    endTime: order.months > 0 ? epochSeconds(machine.createdAt + order.months * 30 * 86_400_000) : '-1',
    spotStatus: machine.spotStatus,
    spotReclaimTime: machine.hidesReclaimTime ? '0' : String(machine.spotReclaimTime),
    createdAt: epochSeconds(machine.createdAt),
    lastStartedAt: epochSeconds(machine.lastStartedAt),
    lastStoppedAt: epochSeconds(machine.lastStoppedAt),
  };
}

function ports({ order }: Machine): { port: number; type: string }[] {
  return [...order.ports, ...order.tools];
}

function volumes({ order }: Machine, size: (gigabytes: number) => string | number): object[] {
  return order.networkStorages.map(({ id, mountPath }) => ({ type: 'network', size: size(100), id, mountPath }));
}

/** The get form: the list form and what only a look at the node can tell. `origin` is where this sandbox listens. */
export function detailedMachine(
  machine: Machine,
  job: Job | undefined,
  settings: Settings,
  now: number,
  origin: string,
): object {
  const isUp = machine.runningSince !== null && machine.status === 'running';
  const isConnected = isUp && now >= (machine.runningSince ?? 0) + settings.durations.connect * 1000;
  return {
    ...common(machine),
    portMappings: ports(machine).map((port) => ({
      port: port.port,
      endpoint: isConnected ? endpoint(machine, port, settings, origin) : '',
      type: port.type,
    })),
    volumeMounts: volumes(machine, Number),
    network: null,
    node: { maxRootfsSize: machine.order.product.maxRootFs, maxLocalVolumeSize: 0 },
    jobs: job === undefined ? [] : [{ id: job.Id, type: job.type }],
    freeStorageSize: 60,
    keepDataDay: 7,
    instancePrice: String(unitPrice(machine)),
    releaseDataAt: machine.status === 'exited' ? epochSeconds((machine.lastStoppedAt ?? now) + 7 * 86_400_000) : '0',
    ...(isUp ? connections(machine, isConnected, settings, origin) : NOT_CONNECTED),
  };
}

const NOT_CONNECTED = {
  connectComponentSSH: null,
  connectComponentWebTerminal: null,
  connectComponentJupyter: null,
  connectComponentLog: null,
};

function connections(machine: Machine, isRunning: boolean, settings: Settings, origin: string): object {
  const hasSsh = ports(machine).some(({ port, type }) => port === 22 && type === 'tcp');
  const hasJupyter =
    machine.order.hasJupyter || ports(machine).some(({ port, type }) => port === 8888 && type === 'http');
  const host = `proxy.${machine.clusterId}.gpu-instance.novita.ai`;
  const seen = (text: string): string => (isRunning ? text : '');
  const jupyter = seen(endpoint(machine, { port: 8888, type: 'http' }, settings, origin));
  return {
    connectComponentSSH: hasSsh
      ? { sshCommand: seen(`ssh -p ${machine.sshPort} root@${host}`), password: seen(machine.sshPassword), isRunning }
      : null,
    connectComponentWebTerminal: {
      address: seen(endpoint(machine, { port: 7681, type: 'http' }, settings, origin)),
      username: 'root',
      password: seen(machine.sshPassword),
      isRunning,
    },
    connectComponentJupyter: hasJupyter ? { port: 8888, address: jupyter, isRunning } : null,
    connectComponentLog: {
      systemLogAddress: `${origin}/__machine/${machine.id}/log/system`,
      instanceLogAddress: `${origin}/__machine/${machine.id}/log/instance`,
      isRunning,
    },
  };
}

function endpoint(
  machine: Machine,
  { port, type }: { port: number; type: string },
  settings: Settings,
  origin: string,
): string {
  const given = machine.endpoints[port];
  if (given !== undefined) return given;
  if (settings.endpoints === 'loopback')
    return type === 'http' ? `${origin}/__machine/${machine.id}/${port}/` : new URL(origin).host;
  if (type === 'tcp') return `proxy.${machine.clusterId}.gpu-instance.novita.ai:${machine.tcpBasePort + (port % 5000)}`;
  const host = `${machine.id}-${port}.${machine.clusterId}.gpu-instance.novita.ai`;
  // Whether the scheme is there varies upstream.
  return machine.clusterId === 'as-in-1' ? host : `https://${host}`;
}
