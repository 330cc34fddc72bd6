import { describe, expect, it } from '@jest/globals';
import type { Instance } from '../../instances/domain/instance.js';
import { newInstance } from '../../instances/domain/new-instance.js';
import { newPlacement, type Placement } from '../../instances/domain/placement.js';
import { addSeconds } from '../../platform/clock.js';
import { decideStep } from './decide-step.js';
import { isProvenAbsent } from './evidence.js';
import type { Limits } from './limits.js';

const NOW = new Date('2026-03-01T12:00:00Z');
const LIMITS: Limits = {
  pollMs: 10_000,
  queueTimeoutMs: 600_000,
  startupTimeoutMs: 600_000,
  stopTimeoutMs: 300_000,
  createTimeoutMs: 60_000,
  visibilityWindowMs: 40_000,
  settleMs: 3_000,
  repeatActionMs: 15_000,
  handoverMaxOverlapMs: 300_000,
};

describe('what must not hang on a single wake-up', () => {
  it('looks again at an instance that is being deleted, though the end of its machine wakes it', () => {
    const placement = aPlacement({ state: 'retiring' });

    const step = decideStep(
      { instance: anInstance({ phase: 'deleting' }), placements: [placement], sweptAt: NOW },
      NOW,
      LIMITS,
    );

    expect(step).toEqual({ kind: 'wait', until: addSeconds(NOW, 10) });
  });

  it('looks again at a machine that ended while it was being declared ready', () => {
    const placement = aPlacement({ seenStatus: 'exited', lastSeenAt: addSeconds(NOW, -1) });
    const instance = anInstance({ phase: 'running', phaseSince: NOW });

    const atOnce = decideStep({ instance, placements: [placement], sweptAt: addSeconds(NOW, -1) }, NOW, LIMITS);
    const later = decideStep(
      { instance, placements: [placement], sweptAt: addSeconds(NOW, 9) },
      addSeconds(NOW, 10),
      LIMITS,
    );

    expect(atOnce).toEqual({ kind: 'wait', until: addSeconds(NOW, 10) });
    expect(later.kind).toBe('lose');
  });
});

describe('a create whose process died with it', () => {
  it('may have been sent late and answered later, so that its machine is not given up before', () => {
    const missedAt = (seconds: number) =>
      aPlacement({ novitaId: null, createSentAt: NOW, missingAt: addSeconds(NOW, seconds) });

    // 20 seconds to be sent, 60 to be answered, 40 to become visible.
    expect(isProvenAbsent(missedAt(119), LIMITS)).toBe(false);
    expect(isProvenAbsent(missedAt(120), LIMITS)).toBe(true);
  });
});

function anInstance(overrides: Partial<Instance>): Instance {
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
  return { ...newInstance('inst-a', 'team', order, NOW, 600_000), currentPlacementId: 'plc-a', ...overrides };
}

function aPlacement(overrides: Partial<Placement>): Placement {
  const offer = {
    productId: 'product',
    clusterId: 'cluster',
    region: 'CN-HK-01',
    billingMode: 'onDemand',
    pricePerHourMicros: 500_000n,
    minRootfsGb: 10,
    maxRootfsGb: 1000,
  } as const;
  const placement = newPlacement('inst-a', 'plc-a', 'gpusvc-d-token-a', offer, { gpuNum: 1, ports: [] }, NOW);
  return {
    ...placement,
    state: 'confirmed',
    novitaId: 'machine-a',
    seenStatus: 'running',
    lastSeenAt: NOW,
    ...overrides,
  };
}
