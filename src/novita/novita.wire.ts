import type {
  Cluster,
  Endpoint,
  EnvironmentVariable,
  Machine,
  MachineDetails,
  MachineOrder,
  MachineStatus,
  MappedPort,
  MigrationJob,
  Product,
  SpotStatus,
  Template,
  TemplateTool,
} from './novita-client.js';
import type { Refusal } from './novita.errors.js';

/** Upstream JSON as it may come: any field absent, a number as a string, an object as a list. */
type Json = Record<string, unknown>;

/** Upstream's prices are in 1/100,000 USD; ours in 1/1,000,000. */
const MICROS_PER_PRICE_UNIT = 10n;

const STATUS: Record<string, MachineStatus> = {
  pending: 'creating',
  tocreate: 'creating',
  creating: 'creating',
  created: 'creating',
  pulling: 'pulling',
  tostart: 'starting',
  starting: 'starting',
  running: 'running',
  tostop: 'stopping',
  stopping: 'stopping',
  tobeexited: 'stopping',
  exited: 'exited',
  torestart: 'restarting',
  restarting: 'restarting',
  toreset: 'restarting',
  resetting: 'restarting',
  migrating: 'migrating',
  toremove: 'removing',
  removing: 'removing',
  terminating: 'removing',
  removed: 'removed',
  terminated: 'removed',
};

const SPOT_STATUSES: readonly string[] = ['running', 'notified', 'reclaiming', 'terminated'];

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Postgres takes neither NUL nor half a surrogate pair: one machine's odd text must not keep all others from being written. */
function text(value: unknown): string {
  if (typeof value === 'string') return value.replaceAll('\0', '').replaceAll(/\p{Cs}/gu, '\uFFFD');
  return typeof value === 'number' ? String(value) : '';
}

function textOrNull(value: unknown): string | null {
  return text(value) === '' ? null : text(value);
}

function whole(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) : null;
}

/** Epoch seconds, mostly in a string; "0", "-1" and "" mean unset. */
function instant(value: unknown): Date | null {
  const seconds = whole(value);
  return seconds === null || seconds <= 0 || seconds > 1e11 ? null : new Date(seconds * 1000);
}

function micros(value: unknown): bigint | null {
  const units = whole(value);
  return units === null || units <= 0 ? null : BigInt(units) * MICROS_PER_PRICE_UNIT;
}

/** `US-CA-06 (California)` → `US-CA-06`. */
export function regionCode(displayName: string): string {
  return displayName.trim().split(/\s/, 1)[0] ?? '';
}

export function toClusters(body: unknown): Cluster[] {
  return objects(isObject(body) ? body['data'] : null)
    .map((cluster) => ({ id: text(cluster['id']), name: regionCode(text(cluster['name'])) }))
    .filter((cluster) => cluster.id !== '');
}

export function toProducts(body: unknown): Product[] {
  return objects(isObject(body) ? body['data'] : null)
    .map(toProduct)
    .filter((product) => product.id !== '');
}

function toProduct(json: Json): Product {
  const modes = Array.isArray(json['billingMethods']) ? json['billingMethods'] : null;
  const sells = (mode: string) => modes === null || modes.includes(mode);
  return {
    id: text(json['id']) || text(json['productId']),
    name: text(json['name']),
    deployable: json['availableDeploy'] === true && json['inventoryState'] !== 'none',
    regions: (Array.isArray(json['regions']) ? json['regions'] : []).map((region) => regionCode(text(region))),
    onDemandMicros: sells('onDemand') ? micros(json['price']) : null,
    spotMicros: sells('spot') ? micros(json['spotPrice']) : null,
    minRootfsGb: whole(json['minRootFS']) ?? 10,
    maxRootfsGb: whole(json['maxRootFS']) ?? 6144,
  };
}

/** Null when the answer holds no template. */
export function toTemplate(body: unknown): Template | null {
  const json = isObject(body) && isObject(body['template']) ? body['template'] : null;
  const image = json === null ? '' : text(json['image']);
  if (json === null || image === '') return null;
  return {
    id: text(json['Id']) || text(json['id']),
    image,
    imageAuthId: textOrNull(json['imageAuth']),
    command: text(json['startCommand']),
    entrypoint: text(json['entrypoint']),
    rootfsSizeGb: whole(json['rootfsSize']),
    ports: objects(json['ports']).flatMap(toPorts),
    envs: objects(json['envs']).map(toVariable),
    tools: objects(json['tools']).map(toTool),
    minCudaVersion: textOrNull(json['minCudaVersion']),
  };
}

function toPorts(group: Json): MappedPort[] {
  const ports = Array.isArray(group['ports']) ? group['ports'] : [];
  return ports.flatMap((one) => {
    const port = whole(one);
    return port === null ? [] : [{ port, type: toPortType(group['type']) }];
  });
}

function toPortType(value: unknown): 'http' | 'tcp' {
  return text(value).toLowerCase() === 'tcp' ? 'tcp' : 'http';
}

function toVariable(json: Json): EnvironmentVariable {
  return { key: text(json['key']), value: text(json['value']) };
}

function toTool(json: Json): TemplateTool {
  return { name: text(json['name']), port: text(json['port']), type: toPortType(json['type']) };
}

/** The create body. `month: 0` and `kind` are always sent: a month above 0 would make a machine that cannot be deleted. */
export function fromMachineOrder(order: MachineOrder): Json {
  const { template } = order;
  return {
    name: order.name,
    productId: order.productId,
    gpuNum: order.gpuNum,
    rootfsSize: order.rootfsSizeGb,
    imageUrl: template.image,
    ...(template.imageAuthId === null ? {} : { imageAuthId: template.imageAuthId }),
    ports: template.ports.map(({ port, type }) => `${port}/${type}`).join(','),
    envs: template.envs,
    tools: template.tools,
    command: template.command,
    entrypoint: template.entrypoint,
    clusterId: order.clusterId,
    ...(template.minCudaVersion === null ? {} : { minCudaVersion: template.minCudaVersion }),
    kind: 'gpu',
    month: 0,
    billingMode: order.billingMode,
  };
}

/** The id a create answer names; null when the answer cannot be read. */
export function toCreatedId(body: unknown): string | null {
  if (!isObject(body)) return null;
  const inner = isObject(body['data']) ? body['data'] : body;
  return textOrNull(inner['id']) ?? textOrNull(inner['Id']);
}

export interface MachinePage {
  readonly machines: Machine[];
  /** Rows of the page, also those that are no machines: what is short of a full page is the last. */
  readonly rows: number;
  readonly total: number | null;
}

/** Null when the answer is not a page of machines at all. */
export function toMachinePage(body: unknown): MachinePage | null {
  if (!isObject(body)) return null;
  const list = body['instances'] ?? body['data'];
  if (!Array.isArray(list)) return null;
  return {
    machines: objects(list)
      .map(toMachine)
      .filter((machine) => machine.id !== ''),
    rows: list.length,
    total: whole(body['total']),
  };
}

function toMachine(json: Json): Machine {
  const error = isObject(json['statusError']) ? json['statusError'] : {};
  const spotStatus = text(json['spotStatus']).toLowerCase();
  return {
    id: text(json['id']) || text(json['Id']),
    name: text(json['name']),
    status: toStatus(text(json['status'])),
    rawStatus: text(json['status']),
    statusError: [text(error['state']), text(error['message'])].filter((part) => part !== '').join(': '),
    spotStatus: SPOT_STATUSES.includes(spotStatus) ? (spotStatus as SpotStatus) : '',
    reclaimAt: instant(json['spotReclaimTime']),
    clusterId: text(json['clusterId']),
    billingMode: text(json['billingMode']),
    createdAt: instant(json['createdAt']),
  };
}

export function toStatus(raw: string): MachineStatus {
  return STATUS[raw.toLowerCase()] ?? 'other';
}

/** Null when the answer names no machine. Older forms wrap it in `instance` or `data`. */
export function toMachineDetails(body: unknown): MachineDetails | null {
  if (!isObject(body)) return null;
  const wrapped = [body['instance'], body['data']].find(isObject);
  const json = wrapped ?? body;
  const machine = toMachine(json);
  if (machine.id === '') return null;
  return {
    ...machine,
    endpoints: objects(json['portMappings']).flatMap(toEndpoint),
    ssh: toSsh(json['connectComponentSSH']),
    jupyterUrl: toComponentUrl(json['connectComponentJupyter']),
    webTerminalUrl: toComponentUrl(json['connectComponentWebTerminal']),
    jobIds: objects(json['jobs']).map((job) => text(job['id']) || text(job['Id'])),
  };
}

function toEndpoint(json: Json): Endpoint[] {
  const port = whole(json['port']);
  const endpoint = text(json['endpoint']);
  if (port === null || endpoint === '') return [];
  const type = toPortType(json['type']);
  if (type === 'tcp') return [{ port, type, endpoint: endpoint.replace(/^tcp:\/\//, '') }];
  return [{ port, type, endpoint: /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}` }];
}

function toSsh(value: unknown): MachineDetails['ssh'] {
  if (!isObject(value) || text(value['sshCommand']) === '') return null;
  return {
    command: text(value['sshCommand']),
    password: text(value['password']),
    isRunning: value['isRunning'] === true,
  };
}

function toComponentUrl(value: unknown): string | null {
  return isObject(value) && value['isRunning'] === true ? textOrNull(value['address']) : null;
}

export function toMigrationJobs(body: unknown): MigrationJob[] {
  return objects(isObject(body) ? body['jobs'] : null).map((json) => ({
    id: text(json['Id']) || text(json['id']),
    novitaId: text(json['instanceId']),
    type: text(json['type']),
    state: toJobState(isObject(json['state']) ? json['state']['state'] : json['state']),
    createdAt: instant(json['createdAt']),
  }));
}

function toJobState(value: unknown): MigrationJob['state'] {
  const state = text(value);
  return state === 'pulling' || state === 'running' || state === 'fail' || state === 'success' || state === 'break'
    ? state
    : 'other';
}

/** Reads whatever an error answer holds: the documented Kratos form, older ones, or no JSON at all. */
export function toRefusal(status: number, body: unknown): Refusal {
  const json = isObject(body) ? body : {};
  const inner = isObject(json['error']) ? json['error'] : {};
  const firstText = (...values: unknown[]) =>
    values.find((value): value is string => typeof value === 'string' && value !== '');
  const reason = firstText(json['reason'], json['code'], json['error'], inner['code']);
  const message =
    firstText(json['message'], inner['message'], json['msg'], typeof body === 'string' ? body : undefined) ?? '';
  const isCode = reason !== undefined && /^[A-Z][A-Z0-9_]{2,60}$/.test(reason);
  return { status, reason: isCode ? reason : null, message: message.slice(0, 500) };
}
