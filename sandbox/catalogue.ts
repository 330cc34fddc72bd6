export type BillingMode = 'onDemand' | 'monthly' | 'spot';

export interface Cluster {
  id: string;
  code: string;
  place: string;
  /** Some clusters carry the place in `name`, some do not. */
  nameHasPlace: boolean;
}

/** Prices are 1/100 000 USD per GPU and hour. */
export interface Product {
  id: string;
  name: string;
  cpuPerGpu: number;
  memoryPerGpu: number;
  maxRootFs: number;
  /** Cluster ids; empty means everywhere. */
  clusters: readonly string[];
  price: number;
  spotPrice: string;
  billingMethods: readonly BillingMode[];
  deployable: boolean;
}

export const CLUSTERS: readonly Cluster[] = [
  { id: 'cn-hongkong-1', code: 'CN-HK-01', place: 'Hong Kong', nameHasPlace: false },
  { id: 'as-sgp-2', code: 'AS-SGP-02', place: 'Singapore', nameHasPlace: false },
  { id: 'as-in-1', code: 'AS-IN-01', place: 'India', nameHasPlace: false },
  { id: 'us-ca-6', code: 'US-CA-06', place: 'California', nameHasPlace: true },
  { id: 'oc-au-1', code: 'OC-AU-01', place: 'Australia', nameHasPlace: true },
];

type Sku = Pick<Product, 'id' | 'name' | 'cpuPerGpu' | 'memoryPerGpu' | 'clusters' | 'price' | 'spotPrice'> &
  Partial<Product>;

function product(sku: Sku): Product {
  return { maxRootFs: 1000, billingMethods: ['onDemand', 'monthly', 'spot'], deployable: true, ...sku };
}

const EAST = ['cn-hongkong-1', 'as-sgp-2'];

// In every pair of equal names the cheaper spot price belongs to the dearer on-demand price.
export const PRODUCTS: readonly Product[] = [
  product({
    id: '4090.24c96g.hf.v2',
    name: 'RTX 4090 24GB',
    cpuPerGpu: 24,
    memoryPerGpu: 96,
    clusters: EAST,
    price: 46000,
    spotPrice: '23000',
  }),
  product({
    id: '4090.16c62g',
    name: 'RTX 4090 24GB',
    cpuPerGpu: 16,
    memoryPerGpu: 62,
    clusters: [...EAST, 'as-in-1', 'us-ca-6'],
    price: 35000,
    spotPrice: '17500',
  }),
  product({
    id: '4090.16c96g.v2',
    name: 'RTX 4090 24GB',
    cpuPerGpu: 16,
    memoryPerGpu: 96,
    clusters: ['cn-hongkong-1', 'us-ca-6'],
    price: 33000,
    spotPrice: '18900',
  }),
  product({
    id: '4090D.16c62g',
    name: 'RTX 4090D 24GB',
    cpuPerGpu: 16,
    memoryPerGpu: 62,
    clusters: EAST,
    price: 29000,
    spotPrice: '14500',
  }),
  product({
    id: '5090.24c96g',
    name: 'RTX 5090 32GB',
    cpuPerGpu: 24,
    memoryPerGpu: 96,
    clusters: ['us-ca-6', 'as-in-1', 'oc-au-1'],
    price: 50000,
    spotPrice: '25000',
  }),
  product({
    id: '5090.16c64g.v2',
    name: 'RTX 5090 32GB',
    cpuPerGpu: 16,
    memoryPerGpu: 64,
    clusters: ['us-ca-6', 'oc-au-1'],
    price: 47000,
    spotPrice: '26500',
  }),
  product({
    id: 'H100-80GB.20c200g',
    name: 'H100 SXM 80GB',
    cpuPerGpu: 20,
    memoryPerGpu: 200,
    clusters: ['us-ca-6', 'as-sgp-2'],
    price: 225000,
    spotPrice: '112500',
  }),
  product({
    id: 'H100-80GB.24c240g.v2',
    name: 'H100 SXM 80GB',
    cpuPerGpu: 24,
    memoryPerGpu: 240,
    clusters: ['us-ca-6'],
    price: 219000,
    spotPrice: '119000',
  }),
  product({
    id: 'A100-80GB.14c240g',
    name: 'A100 SXM 80GB',
    cpuPerGpu: 14,
    memoryPerGpu: 240,
    clusters: ['as-in-1', 'oc-au-1', 'us-ca-6'],
    price: 160000,
    spotPrice: '80000',
    maxRootFs: 6144,
  }),
  product({
    id: 'A100-80GB.16c200g.v2',
    name: 'A100 SXM 80GB',
    cpuPerGpu: 16,
    memoryPerGpu: 200,
    clusters: ['as-in-1'],
    price: 150000,
    spotPrice: '86000',
  }),
  product({
    id: '3090.12c48g',
    name: 'RTX 3090 24GB',
    cpuPerGpu: 12,
    memoryPerGpu: 48,
    clusters: ['cn-hongkong-1', 'as-in-1'],
    price: 21000,
    spotPrice: '',
    billingMethods: ['onDemand', 'monthly'],
  }),
  // Says that it is sold as spot, but has no spot price: seen in the wild, must not be bought as spot.
  product({
    id: '26',
    name: 'RTX 6000 Ada 48GB',
    cpuPerGpu: 16,
    memoryPerGpu: 120,
    clusters: [],
    price: 70000,
    spotPrice: '',
  }),
  product({
    id: 'L40S.16c120g',
    name: 'L40S 48GB',
    cpuPerGpu: 16,
    memoryPerGpu: 120,
    clusters: ['us-ca-6', 'as-sgp-2'],
    price: 55000,
    spotPrice: '27500',
    deployable: false,
  }),
];

/** Accepts an id or a display code, with or without the place. */
export function findCluster(idOrCode: string): Cluster | undefined {
  const code = idOrCode.split(' ')[0];
  return CLUSTERS.find((cluster) => cluster.id === idOrCode || cluster.code === code);
}

export function findProduct(id: string): Product | undefined {
  return PRODUCTS.find((candidate) => candidate.id === id);
}

export function isOffered(offer: Product, clusterId: string): boolean {
  return offer.clusters.length === 0 || offer.clusters.includes(clusterId);
}

export function sellsSpot(offer: Product): boolean {
  return offer.billingMethods.includes('spot') && Number(offer.spotPrice) > 0;
}
