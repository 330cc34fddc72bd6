import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';

describe('a service that is killed', () => {
  let world: World;

  beforeEach(async () => {
    world = await World.start({ speed: 5 });
  });

  afterEach(() => world.stop());

  it('finds its one machine again when it died between the create call and its answer', async () => {
    await world.sandbox.control('/faults', {
      faults: [{ endpoint: 'create', kind: 'delay-after', count: 1, delayMs: 2500 }],
    });
    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder());
    await eventually(async () => (await world.sandbox.ledger()).exists.length === 1);

    await world.service.stop('SIGKILL');
    const restarted = await world.addService();

    const running = await eventually(async () => {
      const answer = await restarted.get<{ status: string; machine: { novitaId: string } }>(
        `/api/instances/${body.instanceId}`,
      );
      return answer.body.status === 'running' && answer.body;
    });
    const ledger = await world.sandbox.ledger();
    expect(ledger.machines.map(({ id }) => id)).toEqual([running.machine.novitaId]);
  });
});
