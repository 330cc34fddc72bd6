import type { Instance } from '../../src/instances/domain/instance.js';
import { newInstance } from '../../src/instances/domain/new-instance.js';
import { newPlacement, type Placement } from '../../src/instances/domain/placement.js';

export const T0 = new Date('2026-01-10T12:00:00Z');

/** So many seconds after T0. */
export function at(seconds: number): Date {
  return new Date(T0.getTime() + seconds * 1000);
}

export function aSpotInstance(overrides: Partial<Instance> = {}): Instance {
  const order = {
    name: 'my-gpu-instance',
    productName: 'RTX 4090 24GB',
    templateId: 'template-123',
    gpuNum: 1,
    rootfsSizeGb: 60,
    region: 'CN-HK-01',
    webhookUrl: null,
    billingMode: 'spot',
    spotPolicy: 'migrate',
    fallbackToOnDemand: false,
    labels: {},
    readiness: null,
  } as const;
  return { ...newInstance('inst-a', 'team-a', order, at(-7200), 600_000), ...overrides };
}

/** A machine that was bought, came up and was last seen running. */
export function aSpotMachine(overrides: Partial<Placement> = {}): Placement {
  const offer = {
    productId: '4090.16c62g',
    clusterId: 'cn-hongkong-1',
    region: 'CN-HK-01',
    billingMode: 'spot',
    pricePerHourMicros: 175_000n,
    minRootfsGb: 10,
    maxRootfsGb: 6144,
  } as const;
  const machine = { gpuNum: 1, ports: [] };
  return {
    ...newPlacement('inst-a', 'plc-a', 'gpusvc-x-a', offer, machine, at(-7200)),
    state: 'confirmed',
    novitaId: 'machine-a',
    seenStatus: 'running',
    seenSpotStatus: 'running',
    lastSeenAt: at(-7000),
    billedFrom: at(-7150),
    ...overrides,
  };
}
