import { describe, expect, it } from '@jest/globals';
import { at } from '../../../test/builders/a-spot-instance.js';
import type { MigrationJob } from '../../novita/novita-client.js';
import { newestJobOf } from './newest-job.js';

function aJob(id: string, overrides: Partial<MigrationJob> = {}): MigrationJob {
  return { id, novitaId: 'machine-a', type: 'instanceMigrate', state: 'running', createdAt: at(10), ...overrides };
}

describe('the job that tells of a move', () => {
  it.each<[string, MigrationJob[], string | null]>([
    ['is the newest one', [aJob('old'), aJob('new', { createdAt: at(20) })], 'new'],
    ["may be the provider's own", [aJob('auto', { type: 'autoInstanceMigrate' })], 'auto'],
    ['is of this machine', [aJob('other', { novitaId: 'machine-b' })], null],
    ['is of this move', [aJob('former', { createdAt: at(-1) })], null],
    ['is no saving of an image', [aJob('move'), aJob('image', { type: 'saveImage', createdAt: at(20) })], 'move'],
    ['may have no time', [aJob('timeless', { createdAt: null })], 'timeless'],
  ])('%s', (_text, jobs, id) => {
    expect(newestJobOf(jobs, 'machine-a', at(0))?.id ?? null).toBe(id);
  });
});
