import type { BillingMode, Product } from './catalogue.ts';
import { findCluster, findProduct, sellsSpot } from './catalogue.ts';
import { invalidParameter, Refusal } from './refusal.ts';
import { REGISTRY_AUTHS } from './templates.ts';

export interface Port {
  port: number;
  type: 'http' | 'tcp';
}

export interface Env {
  key: string;
  value: string;
}

/** What a valid create body asks for. */
export interface Order {
  name: string;
  product: Product;
  clusterId: string;
  gpuNum: number;
  rootfsSize: number;
  imageUrl: string;
  imageAuthId: string;
  ports: Port[];
  envs: Env[];
  tools: Port[];
  hasJupyter: boolean;
  command: string;
  entrypoint: string;
  networkStorages: { id: string; mountPath: string }[];
  billingMode: BillingMode;
  months: number;
}

type Body = Record<string, unknown>;

const FORBIDDEN_PORTS = [2222, 2223, 2224];
const MAX_PORTS = 15;
const NEWEST_CUDA = 13;

/** Unknown fields are ignored, as upstream: an `env` instead of `envs` is lost without an error. */
export function readOrder(body: unknown): Order {
  if (!isBody(body)) throw invalidParameter('body must be a JSON object');
  const product = findProduct(text(body, 'productId', 255, true));
  if (product === undefined) throw invalidParameter('productId: unknown product');
  if (text(body, 'kind', 3, true) !== 'gpu')
    throw invalidParameter('kind: value must be in list [gpu cpu] and match the product');
  const months = integer(body, 'month', 0, 120, 0);
  const ports = readPorts(text(body, 'ports', 1024));
  const tools = readTools(body);
  refuseBadPortSet([...ports, ...tools.map((tool) => tool.port)]);
  refuseBadRenewal(body);
  refuseUnknownCuda(text(body, 'minCudaVersion', 16));
  text(body, 'networkId', 255);
  return {
    name: readName(body),
    product,
    clusterId: readCluster(body),
    gpuNum: integer(body, 'gpuNum', 1, 8),
    rootfsSize: readRootfs(body, product),
    imageUrl: text(body, 'imageUrl', 500, true),
    imageAuthId: readImageAuth(body),
    ports,
    envs: readEnvs(body),
    tools: tools.map((tool) => tool.port),
    hasJupyter: tools.some((tool) => tool.name.toLowerCase() === 'jupyter'),
    command: text(body, 'command', 2047),
    entrypoint: text(body, 'entrypoint', 2047),
    networkStorages: readStorages(body),
    billingMode: readBillingMode(body, months, product),
    months,
  };
}

/** The `80/http,22/tcp` form of create. */
export function readPorts(list: string): Port[] {
  if (list === '') return [];
  return list.split(',').map((item) => {
    const match = /^(\d{1,5})\/(http|tcp)$/.exec(item);
    if (match === null) throw invalidParameter(`ports: "${item.slice(0, 40)}" is not of the form 80/http`);
    return { port: Number(match[1]), type: match[2] === 'http' ? 'http' : 'tcp' };
  });
}

function refuseBadPortSet(ports: Port[]): void {
  if (ports.length > MAX_PORTS) throw invalidParameter(`ports: at most ${MAX_PORTS} ports, tools included`);
  for (const { port } of ports) {
    if (port < 1 || port > 65535) throw invalidParameter(`ports: ${port} is out of range`);
    if (FORBIDDEN_PORTS.includes(port)) throw invalidParameter(`ports: ${port} is reserved`);
  }
  if (new Set(ports.map(({ port }) => port)).size !== ports.length)
    throw invalidParameter('ports: a port is named twice');
}

function readName(body: Body): string {
  const name = text(body, 'name', 255);
  if (!/^[A-Za-z0-9-]*$/.test(name)) throw invalidParameter('name: only letters, digits and hyphens are allowed');
  return name;
}

function readCluster(body: Body): string {
  const clusterId = text(body, 'clusterId', 255);
  if (clusterId !== '' && findCluster(clusterId)?.id !== clusterId)
    throw invalidParameter('clusterId: unknown cluster');
  return clusterId;
}

function readRootfs(body: Body, product: Product): number {
  const size = integer(body, 'rootfsSize', 1, 6144);
  if (size > product.maxRootFs) throw invalidParameter(`rootfsSize: must be at most ${product.maxRootFs}`);
  return Math.max(10, size);
}

function readImageAuth(body: Body): string {
  const pair = text(body, 'imageAuth', 10239);
  if (pair !== '' && !/^[^:]+:/.test(pair)) throw invalidParameter('imageAuth: must be username:password');
  const id = text(body, 'imageAuthId', 255);
  if (id !== '' && !REGISTRY_AUTHS.some((auth) => auth.id === id))
    throw invalidParameter('imageAuthId: unknown registry auth');
  return id;
}

function readBillingMode(body: Body, months: number, product: Product): BillingMode {
  const asked = text(body, 'billingMode', 16) || 'onDemand';
  if (asked !== 'onDemand' && asked !== 'monthly' && asked !== 'spot')
    throw invalidParameter('billingMode: value must be in list [onDemand monthly spot]');
  const mode = months > 0 ? 'monthly' : asked;
  if (mode === 'monthly' && months === 0) throw invalidParameter('month: must be set for monthly billing');
  const sold = mode === 'spot' ? sellsSpot(product) : product.billingMethods.includes(mode);
  if (!sold) throw new Refusal(400, 'UNSUPPORTED_BILLING_MODE', `product ${product.id} is not sold as ${mode}`);
  return mode;
}

function refuseBadRenewal(body: Body): void {
  if (body['autoRenew'] !== undefined && typeof body['autoRenew'] !== 'boolean')
    throw invalidParameter('autoRenew: must be a boolean');
  if (body['autoRenewMonth'] !== undefined) integer(body, 'autoRenewMonth', body['autoRenew'] === true ? 1 : 0, 12);
}

function refuseUnknownCuda(version: string): void {
  if (version === '') return;
  if (!/^\d{1,2}(\.\d{1,2})?$/.test(version)) throw invalidParameter('minCudaVersion: must look like 12.4');
  if (Number(version) > NEWEST_CUDA)
    throw new Refusal(400, 'CUDA_VERSION_INCOMPATIBLE', 'no node with this CUDA version');
}

function readEnvs(body: Body): Env[] {
  return list(body, 'envs', 100).map((env) => ({
    key: text(env, 'key', 511, true),
    value: text(env, 'value', 4095),
  }));
}

function readTools(body: Body): { name: string; port: Port }[] {
  return list(body, 'tools', MAX_PORTS).map((tool) => {
    const [port] = readPorts(`${text(tool, 'port', 5, true)}/${text(tool, 'type', 4, true)}`);
    if (port === undefined) throw invalidParameter('tools: port is missing');
    return { name: text(tool, 'name', 255, true), port };
  });
}

function readStorages(body: Body): { id: string; mountPath: string }[] {
  return list(body, 'networkStorages', 30).map((storage) => ({
    id: text(storage, 'Id', 255, true),
    mountPath: text(storage, 'mountPoint', 4095) || '/network',
  }));
}

function text(body: Body, field: string, maxLength: number, required = false): string {
  const value = body[field] ?? '';
  if (typeof value !== 'string') throw invalidParameter(`${field}: must be a string`);
  if (required && value === '') throw invalidParameter(`${field}: is required`);
  if (value.length > maxLength) throw invalidParameter(`${field}: must be at most ${maxLength} characters`);
  return value;
}

function integer(body: Body, field: string, low: number, high: number, absent?: number): number {
  const value = body[field] ?? absent;
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidParameter(`${field}: must be an integer`);
  if (value < low || value > high) throw invalidParameter(`${field}: must be between ${low} and ${high}`);
  return value;
}

function list(body: Body, field: string, maxLength: number): Body[] {
  const value = body[field] ?? [];
  if (!Array.isArray(value) || !value.every(isBody)) throw invalidParameter(`${field}: must be a list of objects`);
  if (value.length > maxLength) throw invalidParameter(`${field}: at most ${maxLength} entries`);
  return value;
}

function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
