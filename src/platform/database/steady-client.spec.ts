import { describe, expect, it } from '@jest/globals';
import { SteadyClient } from './steady-client.js';

describe('a client of a pool', () => {
  it('survives the end of its server though nobody else listens', () => {
    const client = new SteadyClient();
    const loss = new Error('terminating connection due to administrator command');

    const emit = () => client.emit('error', loss);

    expect(emit).not.toThrow();
  });
});
