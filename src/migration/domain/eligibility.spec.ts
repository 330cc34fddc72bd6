import { describe, expect, it } from '@jest/globals';
import { judgeEligibility } from './eligibility.js';

type Judged = Parameters<typeof judgeEligibility>[0];

const LOST: Judged = {
  desired: 'running',
  stopRequestedAt: null,
  billingMode: 'spot',
  spotPolicy: 'migrate',
  recoveryTrigger: null,
};
const ON = { enabled: true, dryRun: false };

describe('judgeEligibility', () => {
  it.each<[string, Partial<Judged>, Partial<typeof ON>, string]>([
    ['its user stopped it', { desired: 'stopped' }, {}, 'stopped-by-user'],
    ['this service stopped it', { stopRequestedAt: new Date() }, {}, 'stopped-by-us'],
    ['it was ordered on demand', { billingMode: 'onDemand' }, {}, 'not-spot'],
    ['its policy is none', { spotPolicy: 'none' }, {}, 'policy-none'],
    ['migration is off', {}, { enabled: false }, 'disabled'],
    ['everything is a dry run', {}, { dryRun: true }, 'dry-run'],
    [
      'its policy is none, even by hand',
      { spotPolicy: 'none', recoveryTrigger: 'manual_migration' },
      {},
      'policy-none',
    ],
  ])('leaves an instance alone when %s', (_name, instance, mode, because) => {
    expect(judgeEligibility({ ...LOST, ...instance }, { ...ON, ...mode })).toEqual({ eligible: false, because });
  });

  it.each<[string, Partial<Judged>, Partial<typeof ON>]>([
    ['that is to be migrated', {}, {}],
    ['that is to be replaced', { spotPolicy: 'replace' }, {}],
    ['that is asked for by hand while migration is off', { recoveryTrigger: 'manual_migration' }, { enabled: false }],
  ])('brings an instance back %s', (_name, instance, mode) => {
    expect(judgeEligibility({ ...LOST, ...instance }, { ...ON, ...mode })).toEqual({ eligible: true });
  });
});
