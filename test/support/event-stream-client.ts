import { request } from 'node:http';

export interface StreamedEvent {
  readonly id: string;
  readonly data: { id: string; type: string; instanceId: string; sequence: number };
  readonly at: number;
}

/** Reads Server-Sent Events as a browser does: it keeps the last id, also of messages without data. */
export class EventStreamClient {
  readonly events: StreamedEvent[] = [];
  lastEventId = '';
  status = 0;
  hasEnded = false;
  private close: () => void = () => undefined;

  /** Resolves with the first bytes of the stream, or with the answer that refuses it. */
  static async open(
    url: string,
    lastEventId = '',
    agent?: import('node:http').Agent,
    more: Record<string, string> = {},
  ): Promise<EventStreamClient> {
    const client = new EventStreamClient();
    client.lastEventId = lastEventId;
    await client.connect(url, more, agent);
    return client;
  }

  get ids(): string[] {
    return this.events.map(({ data }) => data.id);
  }

  stop(): void {
    this.close();
  }

  private connect(url: string, more: Record<string, string>, agent?: import('node:http').Agent): Promise<void> {
    const headers = {
      ...more,
      accept: 'text/event-stream',
      ...(this.lastEventId === '' ? {} : { 'last-event-id': this.lastEventId }),
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { headers, agent: agent ?? false }, (response) => {
        this.status = response.statusCode ?? 0;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          const blocks = text.split('\n\n');
          text = blocks.pop() ?? '';
          for (const block of blocks) this.read(block);
          resolve();
        });
        response.once('close', () => {
          this.hasEnded = true;
          resolve();
        });
        response.once('error', () => undefined);
      });
      this.close = () => outgoing.destroy();
      outgoing.once('error', (error) => {
        this.hasEnded = true;
        reject(error);
      });
      outgoing.end();
    });
  }

  private read(block: string): void {
    const field = (name: string) =>
      block
        .split('\n')
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
    const [id, data] = [field('id'), field('data')];
    if (id !== undefined) this.lastEventId = id;
    if (id === undefined || data === undefined) return;
    this.events.push({ id, data: JSON.parse(data) as StreamedEvent['data'], at: Date.now() });
  }
}
