import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedWebhook {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly body: Record<string, unknown>;
  readonly at: number;
}

/** A real receiver on loopback; it answers what `answer` says, 204 unless told otherwise. */
export class WebhookReceiver {
  readonly received: ReceivedWebhook[] = [];
  answer: (webhook: ReceivedWebhook) => number = () => 204;

  private constructor(
    private readonly server: Server,
    readonly host: string,
  ) {}

  static async start(port = 0): Promise<WebhookReceiver> {
    const server = createServer();
    await listen(server, port);
    const receiver = new WebhookReceiver(server, `127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, reply) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8');
        const webhook = {
          url: request.url ?? '',
          headers: request.headers,
          raw,
          body: JSON.parse(raw) as Record<string, unknown>,
          at: Date.now(),
        };
        receiver.received.push(webhook);
        reply.writeHead(receiver.answer(webhook)).end();
      });
    });
    return receiver;
  }

  get url(): string {
    return `http://${this.host}/webhook`;
  }

  events(type?: string): ReceivedWebhook[] {
    return this.received.filter(({ body }) => type === undefined || body['event'] === type);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** A port that was given up for a moment may meanwhile be the near end of somebody's connection. */
async function listen(server: Server, port: number, tries = 50): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    if (port === 0 || tries === 0) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await listen(server, port, tries - 1);
  }
}
