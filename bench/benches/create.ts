import type { Bench } from '../lib/bench.ts';
import type { Lab } from '../lib/lab.ts';
import { latencyFigure, loadPair, throughputFigure } from '../lib/pair.ts';
import type { Sandbox } from '../lib/lab.ts';

const ORDER = {
  name: 'my-gpu-instance',
  productName: 'RTX 4090 24GB',
  templateId: 'template-123',
  gpuNum: 1,
  region: 'CN-HK-01',
  labels: { env: 'prod', team: 'vision' },
};

/** What one order is asked with. */
export const ORDERS = {
  method: 'POST',
  paths: ['/api/instances'],
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(ORDER),
  withIdempotencyKey: true,
  expects: 201,
} as const;

/** Orders with an Idempotency-Key. The service also begins to carry them out meanwhile; the yardstick only files them. */
export const create: Bench = {
  name: 'create',
  title: 'POST /api/instances',
  async run(lab) {
    const sandbox = await lab.sandbox();
    const empty = await databaseWithQueues(lab, sandbox);
    const result = await loadPair({
      lab,
      title: 'orders',
      // Each round begins with an empty database: orders of the one before would still be worked off.
      service: async () => lab.service(await lab.database(empty), sandbox),
      yardstick: async () => lab.yardstick(await lab.database(empty)),
      stays: false,
      wish: ORDERS,
    });
    await sandbox.stop();
    return [throughputFigure('throughput', { atLeast: 0.6 }, result), latencyFigure('p99', null, result)];
  },
};

/** As the first start of the service leaves it: its job queues exist. */
export async function databaseWithQueues(lab: Lab, sandbox: Sandbox): Promise<string> {
  const url = await lab.database();
  const first = await lab.service(url, sandbox);
  await first.stop();
  return url;
}
