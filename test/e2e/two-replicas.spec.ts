import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';

const ORDERS = 200;

describe('two replicas on one database', () => {
  let world: World;

  beforeAll(async () => {
    world = await World.start({ replicas: 2 });
  });

  afterAll(() => world.stop());

  it('bring 200 orders up with 200 machines, and no call is made twice', async () => {
    const [first, second] = world.services;

    await Promise.all(
      Array.from({ length: ORDERS }, (_, index) =>
        (index % 2 === 0 ? first : second)?.post('/api/instances', anOrder({ name: `order-${index}` })),
      ),
    );

    await eventually(async () => {
      const { body } = await world.service.get<{ total: number }>('/api/instances?status=running&limit=1');
      return body.total === ORDERS;
    }, 60_000);
    const ledger = await world.sandbox.ledger();
    expect(ledger.machines).toHaveLength(ORDERS);
    const { counts } = await world.sandbox.control<{ counts: Record<string, number> }>('/calls');
    expect(counts['create']).toBe(ORDERS);
    expect(counts['delete'] ?? 0).toBe(0);
  }, 90_000);
});
