import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isProof, Proof } from '../crash/proof.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica } from '../support/log-replica.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually } from '../support/world.js';

const proof = new Proof('webhooks: neighbours');
const PENDING_EACH = proof.size(100, 1_000);
const HEALTHY_EVENTS = 60;
const P95_MS = isProof ? 1_000 : 5_000;

type Behaviour = (response: ServerResponse) => void;

const silent: Behaviour = () => undefined;
const dripping: Behaviour = (response) => {
  response.writeHead(200, { 'content-type': 'text/plain' });
  const timer = setInterval(() => response.write('.'), 200);
  response.once('close', () => clearInterval(timer));
};
const endless: Behaviour = (response) => {
  response.writeHead(500);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', pour);
  pour();
};

describe('noisy neighbours', () => {
  let database: TestDatabase;
  let healthy: WebhookReceiver;
  let replica: LogReplica;
  const noisy: Server[] = [];
  const urls: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    healthy = await WebhookReceiver.start();
    for (const behave of [silent, dripping, endless]) {
      const server = createServer((request, response) => {
        request.resume();
        response.on('error', () => undefined);
        behave(response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      noisy.push(server);
      urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    }
    const hosts = [healthy.host, ...urls.map((url) => new URL(url).host)].join(',');
    replica = await LogReplica.start({ databaseUrl: database.url, env: { WEBHOOK_ALLOWED_HOSTS: hosts } });
  });

  afterAll(async () => {
    for (const server of noisy) server.closeAllConnections();
    await replica.stop();
    for (const server of noisy) server.close();
    await healthy.stop();
    await database.drop();
  });

  it(`with ${PENDING_EACH} events waiting for each of them do not hold up anybody else`, async () => {
    for (let count = 0; count < PENDING_EACH; count += 1) {
      await Promise.all(urls.map((url, index) => replica.write(`inst-${index}-${count}`, { webhookUrl: url })));
      proof.progress(`${count + 1} of ${PENDING_EACH} events written for each noisy neighbour`);
    }
    const memoryBefore = heldMiB();
    const delays: number[] = [];

    for (let count = 0; count < HEALTHY_EVENTS; count += 1) {
      const { id } = await replica.write(`inst-healthy-${count % 10}`, { webhookUrl: `${healthy.url}/${count % 10}` });
      const committedAt = Date.now();
      const { at } = await eventually(async () => healthy.received.find(({ headers }) => headers['webhook-id'] === id));
      delays.push(at - committedAt);
    }

    delays.sort((a, b) => a - b);
    const p95 = delays[Math.floor(delays.length * 0.95)] ?? Number.NaN;
    // Of this process, which is the receivers as well.
    const grownMib = Math.round(heldMiB() - memoryBefore);
    proof.result({ pending_each: PENDING_EACH, first_attempt_p95_ms: p95, memory_growth_mib: grownMib });
    expect(p95).toBeLessThanOrEqual(P95_MS);
    expect(grownMib).toBeLessThan(30);
  }, 300_000);
});

/** What is held after a collection, buffers outside of the heap included. */
function heldMiB(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1024 / 1024;
}
