/** On whose behalf a request acts. */
export interface Caller {
  readonly teamId: string;
  /** For the log: the key, or `anonymous` while none is configured. */
  readonly actor: string;
}

export const ANONYMOUS: Caller = { teamId: 'default', actor: 'anonymous' };
