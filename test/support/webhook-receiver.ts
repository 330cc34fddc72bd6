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
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
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
