import type { Settings } from '../platform/config.js';
import { readSecret } from './domain/signature.js';
import { BadTargetSetting, targetPolicy } from './domain/target-policy.js';

/** What is wrong with the settings of webhooks, each problem by the setting's name; the secret itself is never repeated. */
export function problemsOfWebhookSettings(
  values: Pick<Settings, 'webhookSecret' | 'webhookAllowedHosts' | 'webhookAllowedCidrs'>,
): string[] {
  const secret = values.webhookSecret === null ? null : readSecret(values.webhookSecret);
  return [
    ...(secret?.usable === false ? [`WEBHOOK_SECRET cannot be used: ${secret.because}`] : []),
    ...values.webhookAllowedHosts.flatMap((allowedHosts) => problemOf(() => targetPolicy({ allowedHosts }))),
    ...values.webhookAllowedCidrs.flatMap((allowedCidrs) => problemOf(() => targetPolicy({ allowedCidrs }))),
  ];
}

function problemOf(read: () => unknown): string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof BadTargetSetting) return [error.message];
    throw error;
  }
}
