import type { Instance } from '../../instances/domain/instance.js';

export type Ineligible = 'stopped-by-user' | 'stopped-by-us' | 'not-spot' | 'policy-none' | 'disabled' | 'dry-run';

export type Eligibility = { readonly eligible: true } | { readonly eligible: false; readonly because: Ineligible };

export interface MigrationMode {
  readonly enabled: boolean;
  readonly dryRun: boolean;
}

type Judged = Pick<Instance, 'desired' | 'stopRequestedAt' | 'billingMode' | 'spotPolicy' | 'recoveryTrigger'>;

/** Whether a lost instance may be brought back at all, whatever became of its machine. */
export function judgeEligibility(instance: Judged, mode: MigrationMode): Eligibility {
  if (instance.desired !== 'running') return no('stopped-by-user');
  if (instance.stopRequestedAt !== null) return no('stopped-by-us');
  if (instance.billingMode !== 'spot') return no('not-spot');
  if (instance.spotPolicy === 'none') return no('policy-none');
  if (mode.dryRun) return no('dry-run');
  // What is asked for by hand works without the automatic part.
  if (!mode.enabled && instance.recoveryTrigger !== 'manual_migration') return no('disabled');
  return { eligible: true };
}

function no(because: Ineligible): Eligibility {
  return { eligible: false, because };
}
