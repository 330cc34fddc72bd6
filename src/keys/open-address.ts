import type { Authenticator } from '../platform/http/auth/authenticator.js';
import type { Settings } from '../platform/config.js';

/** Somebody else could reach a service that asks nobody for a key. */
export class UnsafeAddress extends Error {
  constructor(host: string) {
    super(
      `Refusing to listen on ${host}: no API key exists, so anybody who reaches the service could use it.\n` +
        'Make one (npm run keys -- create --team TEAM --scopes admin), set BOOTSTRAP_ADMIN_KEY,\n' +
        'listen on the loopback alone (HOST=127.0.0.1), or say ALLOW_ANONYMOUS=true.',
    );
  }
}

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/i;

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** @throws UnsafeAddress */
export async function refuseUnsafeAddress(
  { host, allowAnonymous }: Pick<Settings, 'host' | 'allowAnonymous'>,
  authenticator: Authenticator,
): Promise<void> {
  if (allowAnonymous || isLoopback(host)) return;
  if (await authenticator.isOpen()) throw new UnsafeAddress(host);
}
