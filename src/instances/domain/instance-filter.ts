import type { InstanceStatus } from './instance.js';

export interface InstanceFilter {
  readonly teamId: string;
  readonly status?: InstanceStatus;
  readonly includeDeleted: boolean;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
}
