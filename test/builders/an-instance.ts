import type { Instance } from '../../src/instances/domain/instance.js';
import { newInstance } from '../../src/instances/domain/new-instance.js';
import { newPlacement, type Placement } from '../../src/instances/domain/placement.js';

/** The moment that the tests of rules count from. */
export const START = new Date('2026-03-01T12:00:00Z');

export function seconds(after: number): Date {
  return new Date(START.getTime() + after * 1000);
}

/** A machine ordered and confirmed at START, seen running since. */
export function aPlacement(overrides: Partial<Placement> = {}): Placement {
  const offer = {
    productId: 'product',
    clusterId: 'cluster',
    region: 'CN-HK-01',
    billingMode: 'onDemand',
    pricePerHourMicros: 500_000n,
    minRootfsGb: 10,
    maxRootfsGb: 1000,
  } as const;
  const placement = newPlacement('inst-a', 'plc-a', 'gpusvc-d-token-a', offer, { gpuNum: 1, ports: [] }, START);
  return {
    ...placement,
    state: 'confirmed',
    novitaId: 'machine-a',
    seenStatus: 'running',
    seenError: '',
    seenSpotStatus: '',
    lastSeenAt: START,
    ...overrides,
  };
}

/** An instance with `aPlacement` as its machine, running since START. */
export function anInstance(overrides: Partial<Instance> = {}): Instance {
  const order = {
    name: 'my-instance',
    productName: 'RTX 4090 24GB',
    templateId: 'template',
    gpuNum: 1,
    rootfsSizeGb: 50,
    region: 'CN-HK-01',
    webhookUrl: null,
    billingMode: 'onDemand',
    spotPolicy: 'none',
    fallbackToOnDemand: false,
    labels: {},
    readiness: null,
  } as const;
  return {
    ...newInstance('inst-a', 'team', order, START, 600_000),
    phase: 'running',
    deadlineAt: null,
    nextCheckAt: null,
    currentPlacementId: 'plc-a',
    readyAt: START,
    ...overrides,
  };
}
