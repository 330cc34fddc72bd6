import { AppError } from '../../app-error.js';

/** A web page may not use, with its visitor's browser, a service that asks nobody for a key. */
export class NotForBrowsers extends AppError {
  readonly kind = 'forbidden';
  readonly code = 'FORBIDDEN';
}

type Shown = Readonly<Record<string, string | string[] | undefined>>;

/** Whom the service serves while nobody has made a key: `loopback` when it listens there alone. */
export type OpenTo = 'loopback' | 'network';

const LOCAL_NAME = /^localhost$/i;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i;

/**
 * Why a request that needs no key is refused all the same, or null. On the loopback a name other than `localhost` in Host is one that
 * somebody made point here (DNS rebinding); a foreign Origin is another site's page.
 */
export function refusalWhileOpen({ host, origin }: Shown, openTo: OpenTo): string | null {
  if (openTo === 'loopback' && typeof host === 'string' && !isLocal(host))
    return 'While there is no API key, the Host must be an address or localhost';
  if (typeof origin === 'string' && originOf(origin) !== String(host).toLowerCase())
    return 'While there is no API key, requests of other origins are refused';
  return null;
}

function isLocal(host: string): boolean {
  const name = host.replace(/:\d*$/, '');
  return LOCAL_NAME.test(name) || ADDRESS.test(name);
}

/** Host and port of an origin; null of an opaque one. */
function originOf(origin: string): string | null {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase() ?? null;
}
