import { describe, expect, it } from '@jest/globals';
import { aSpotInstance, at } from '../../../test/builders/a-spot-instance.js';
import { failed } from './changes.js';

describe('an attempt to bring an instance back that fails', () => {
  it('is told as such, and not as the end of the instance', () => {
    const buying = aSpotInstance({ desired: 'running', lostAt: at(0), lossReason: 'spot_reclaim', phase: 'queued' });

    const { after, event } = failed(buying, [], { code: 'NO_CAPACITY', message: 'None left' }, at(60));

    expect(event).toMatchObject({ type: 'instance.migration_failed' });
    expect(after).toMatchObject({ phase: 'exited', reasonCode: 'NO_CAPACITY' });
  });
});
