import { lookup, Resolver } from 'node:dns/promises';

/** Every address of a name, IPv4 and IPv6. Rejects, or returns nothing, when there is none. */
export abstract class NameResolver {
  abstract resolveAll(host: string, signal: AbortSignal): Promise<string[]>;
}

/**
 * Asks the name servers directly, because `dns.lookup` blocks one of the few threads of libuv for as long as a hostile
 * name server stays silent. Only names that the servers do not know go to the system, which reads /etc/hosts.
 */
export class SystemNameResolver extends NameResolver {
  async resolveAll(host: string, signal: AbortSignal): Promise<string[]> {
    if (host === 'localhost') return ['127.0.0.1', '::1']; // RFC 6761: never a question for a name server
    const addresses = await askNameServers(host, signal);
    if (addresses.length > 0) return addresses;
    return (await lookup(host, { all: true })).map(({ address }) => address);
  }
}

async function askNameServers(host: string, signal: AbortSignal): Promise<string[]> {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length === 0 && !answers.every(isUnknownName)) throw new Error('No name server has answered');
    return addresses;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function isUnknownName(answer: PromiseSettledResult<string[]>): boolean {
  if (answer.status === 'fulfilled') return true;
  const { code } = answer.reason as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}
