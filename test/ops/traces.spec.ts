import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { anOrder } from '../builders/an-order.js';
import { eventually, World } from '../support/world.js';

interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: { key: string; value: Record<string, unknown> }[];
}

const SERVER = 2;
const CLIENT = 3;
const CONSUMER = 5;

/** Takes OTLP over HTTP as a collector does. */
class Collector {
  readonly spans: Span[] = [];
  readonly resources: string[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Collector> {
    const server = createServer();
    const collector = new Collector(server);
    server.on('request', (request, reply) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === '/v1/traces') collector.take(request.headers, Buffer.concat(chunks).toString());
        reply.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(headers: IncomingHttpHeaders, text: string): void {
    expect(headers['content-type']).toBe('application/json');
    const { resourceSpans } = JSON.parse(text) as {
      resourceSpans: { resource: object; scopeSpans: { spans: Span[] }[] }[];
    };
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(JSON.stringify(resource));
      this.spans.push(...scopeSpans.flatMap(({ spans }) => spans));
    }
  }
}

let collector: Collector;
let world: World;
// A shared machine may be many times slower than an own one.
jest.setTimeout(120_000);

beforeAll(async () => {
  collector = await Collector.start();
  world = await World.start({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, NOVITA_API_KEY: 'sk-canary-in-traces' },
  });
});
afterAll(async () => {
  await world.stop();
  await collector.stop();
});

describe('traces', () => {
  it('continue the caller’s trace, follow the work to the upstream, and hold no secret', async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const parentId = '00f067aa0ba902b7';

    const { body } = await world.service.post<{ instanceId: string }>('/api/instances', anOrder(), {
      traceparent: `00-${traceId}-${parentId}-01`,
    });
    await eventually(async () => {
      const answer = await world.service.get<{ status: string }>(`/api/instances/${body.instanceId}`);
      return answer.body.status === 'running';
    });
    // What still waits is sent when the service ends.
    await world.service.stop();

    const request = collector.spans.find((span) => span.traceId === traceId && span.kind === SERVER);
    expect(request).toMatchObject({ name: 'POST /api/instances', parentSpanId: parentId });
    const job = collector.spans.find((span) => span.kind === CONSUMER && span.name === 'job reconcile-instance');
    expect(job?.attributes).toContainEqual({ key: 'instanceId', value: { stringValue: body.instanceId } });
    const create = collector.spans.find((span) => span.kind === CLIENT && span.name === 'POST create')!;
    const step = collector.spans.find((span) => span.spanId === create.parentSpanId);
    expect(step).toMatchObject({ name: 'step buy', traceId: create.traceId });
    expect(collector.resources[0]).toContain('novita-gpu-instances');
    expect(JSON.stringify([collector.spans, collector.resources])).not.toContain('sk-canary-in-traces');
  });

  it('do not hold up the service when nobody collects them', async () => {
    await collector.stop();
    const service = await world.addService({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });

    const answer = await service.get('/api/instances');
    const toldAt = Date.now();
    await service.stop();

    expect(answer.status).toBe(200);
    expect(service.child.exitCode).toBe(0);
    expect(Date.now() - toldAt).toBeLessThan(10_000);
  });
});
