import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { totalmem } from 'node:os';
import { anOrder } from '../builders/an-order.js';
import { METRICS } from '../data/contract-examples.js';
import { missingFrom } from '../support/shape.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World } from '../support/world.js';

type Metrics = typeof METRICS;

const ORDERS = 4;
const REFUSED = 3;

let world: World;
let first: ServiceProcess;
let second: ServiceProcess;

beforeAll(async () => {
  world = await World.start({ replicas: 2 });
  [first, second] = world.services as [ServiceProcess, ServiceProcess];
});

afterAll(() => world.stop());

async function metricsOf(service: ServiceProcess): Promise<Metrics> {
  return (await service.get<Metrics>('/api/metrics')).body;
}

describe('GET /api/metrics', () => {
  it('has every field of the example, and starts from nothing', async () => {
    const body = await metricsOf(first);

    expect(missingFrom(METRICS, body)).toEqual([]);
    expect(body.instances).toMatchObject({ total: 0, creating: 0, running: 0, failed: 0 });
    expect(body.requests).toMatchObject({ failed: 0 });
  });

  it('adds up what two replicas did, whichever of them is asked', async () => {
    const before = await metricsOf(first);
    for (const [index, service] of [first, second, first, second].entries())
      await service.post('/api/instances', anOrder({ name: `order-${index}` }));
    await second.post('/api/instances', anOrder({ templateId: 'no-such-template' }));
    for (let index = 0; index < REFUSED; index += 1) await second.post('/api/instances', {});

    const seen = await eventually(async () => {
      const [one, other] = [await metricsOf(first), await metricsOf(second)];
      for (const { requests, instances, jobs } of [one, other]) {
        expect(instances).toMatchObject({ total: ORDERS + 1, creating: 0, running: ORDERS, failed: 1 });
        expect(jobs).toMatchObject({ pending: 0, processing: 0 });
        expect(requests.failed).toBe(before.requests.failed + REFUSED);
      }
      return [one, other];
    }, 30_000);

    for (const { requests, jobs, cache } of seen) {
      expect(requests.total).toBeGreaterThanOrEqual(before.requests.total + ORDERS + 1 + REFUSED);
      expect(requests.successful + requests.failed).toBe(requests.total);
      expect(requests.averageResponseTime).toBeGreaterThan(0);
      expect(jobs.completed).toBeGreaterThanOrEqual(ORDERS);
      // Each replica reads clusters, products and template once at the most; every further order is a hit.
      expect(cache.misses).toBeGreaterThan(0);
      expect(cache.hits).toBeGreaterThan(0);
      expect(cache.hitRate).toBeCloseTo(cache.hits / (cache.hits + cache.misses), 3);
    }
  }, 60_000);

  it('measures the process that answers', async () => {
    const { system } = await metricsOf(first);

    const { used, total, percentage } = system.memoryUsage;
    expect(used).toBeGreaterThan(20);
    expect(used).toBeLessThan(total);
    expect(total).toBeLessThanOrEqual(Math.ceil(totalmem() / 1024 / 1024));
    expect(percentage).toBeCloseTo((100 * used) / total, 0);
    await eventually(async () => (await metricsOf(first)).system.uptime > system.uptime);
  });

  it('keeps in the sum what a replica counted that is gone', async () => {
    const before = await metricsOf(first);
    await second.stop();

    const { requests } = await metricsOf(first);

    expect(requests.total).toBeGreaterThanOrEqual(before.requests.total);
    expect(requests.failed).toBe(before.requests.failed);
  });
});
