import type { Settings } from '../platform/config.js';
import type { MoveLimits } from './domain/decide-move.js';

export function moveLimitsOf(settings: Settings): MoveLimits {
  const pollMs = settings.lifecyclePollMs;
  return {
    enabled: settings.migrationEnabled,
    dryRun: settings.migrationDryRun,
    retryFailed: settings.migrationRetryFailed,
    pollMs,
    settleMs: Math.min(3000, pollMs),
    repeatActionMs: Math.max(2000, Math.min(15_000, 3 * pollMs)),
    meansTimeoutMs: settings.startupTimeoutMs,
  };
}
