import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Backend {
  readonly url: string;
  readonly agent: Agent;
  /** `unsure`: no answer in time, or a complaint that passes; such a one is asked only when nobody is ready. */
  state: 'ready' | 'unsure' | 'leaving';
}

interface ReadyReport {
  readonly failing?: readonly string[];
}

const LOOK_EVERY_MS = 200;

/**
 * A small reverse proxy as orchestrators have them: asks every backend for its readiness now and then, keeps connections open,
 * and sends a request to one backend once. It repeats nothing: a request that a backend drops is a failed one.
 */
export class Balancer {
  private readonly backends = new Map<string, Backend>();
  private readonly timer: NodeJS.Timeout;
  private turn = 0;

  private constructor(private readonly server: Server) {
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  static async start(): Promise<Balancer> {
    const server = createServer();
    const balancer = new Balancer(server);
    server.on('request', (incoming, answer) => balancer.pass(incoming, answer));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  add(url: string): void {
    this.backends.set(url, { url, agent: new Agent({ keepAlive: true }), state: 'leaving' });
  }

  remove(url: string): void {
    this.backends.get(url)?.agent.destroy();
    this.backends.delete(url);
  }

  isReady(url: string): boolean {
    return this.backends.get(url)?.state === 'ready';
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    for (const url of this.backends.keys()) this.remove(url);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async look(): Promise<void> {
    await Promise.all(
      [...this.backends.values()].map(async (backend) => {
        backend.state = await fetch(`${backend.url}/health/ready`, { signal: AbortSignal.timeout(1000) }).then(
          async (answer) => stateOf((await answer.json()) as ReadyReport),
          (error: Error) => (error.name === 'TimeoutError' ? 'unsure' : 'leaving'),
        );
      }),
    );
  }

  private pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const all = [...this.backends.values()];
    const ready = all.filter(({ state }) => state === 'ready');
    const asked = ready.length > 0 ? ready : all.filter(({ state }) => state === 'unsure');
    const backend = asked[(this.turn += 1) % asked.length];
    if (backend === undefined) {
      answer.writeHead(502, { 'x-balancer': 'no backend' }).end();
      return;
    }
    const { method = 'GET', url = '/', headers } = incoming;
    const outgoing = request(`${backend.url}${url}`, { method, headers, agent: backend.agent }, (response) => {
      const { connection: _connection, ...passed } = response.headers;
      answer.writeHead(response.statusCode ?? 502, passed);
      response.pipe(answer);
    });
    outgoing.on('error', (error) => {
      if (answer.headersSent) answer.destroy();
      else answer.writeHead(502, { 'x-balancer': error.message.replaceAll(/[^\w .:]/g, '') }).end();
    });
    incoming.pipe(outgoing);
  }
}

function stateOf({ failing = [] }: ReadyReport): Backend['state'] {
  if (failing.length === 0) return 'ready';
  return failing.includes('draining') ? 'leaving' : 'unsure';
}
