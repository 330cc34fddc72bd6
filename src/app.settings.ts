import { loadSettings, type Settings } from './platform/config.js';
import { problemsOfWebhookSettings } from './webhooks/webhook-settings.js';

/** The settings of the whole application. @throws InvalidSettings listing every wrong one */
export function readSettings(env: Record<string, string | undefined>): Settings {
  return loadSettings(env, [problemsOfWebhookSettings]);
}
