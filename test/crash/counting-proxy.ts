import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Passes calls on to the upstream and notes what the sandbox's own counts do not tell: which page of a list was asked for. */
export class CountingProxy {
  readonly asked: URL[] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async before(target: string): Promise<CountingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new CountingProxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (incoming, outgoing) => {
      const url = new URL(incoming.url ?? '/', target);
      proxy.asked.push(url);
      const { method, headers } = incoming;
      const passedOn = request(url, { headers, ...(method === undefined ? {} : { method }) }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passedOn.on('error', () => outgoing.destroy());
      incoming.pipe(passedOn);
    });
    return proxy;
  }

  /** Calls of a path's end. */
  callsOf(path: string): URL[] {
    return this.asked.filter(({ pathname }) => pathname.endsWith(path));
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
