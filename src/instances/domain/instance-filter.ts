import type { InstanceStatus } from './instance.js';
import type { LabelCondition } from './labels.js';

/** What a list is narrowed to; all of it must hold. */
export interface InstanceWish {
  readonly status?: InstanceStatus;
  readonly region?: string;
  readonly product?: string;
  readonly name?: string;
  readonly labels: readonly LabelCondition[];
  /** Later than this, and earlier than that. */
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
  readonly includeDeleted: boolean;
}

export interface InstanceFilter extends InstanceWish {
  readonly teamId: string;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
}
