import type { Bench } from '../lib/bench.ts';
import { latencyFigure, loadPair, requireSameAnswers, throughputFigure } from '../lib/pair.ts';

const PATH = '/health/live';

/** The least that a request costs. */
export const live: Bench = {
  name: 'live',
  title: 'GET /health/live against a bare Fastify route',
  async run(lab) {
    const [database, sandbox] = [await lab.database(), await lab.sandbox()];
    const pair = { lab, service: () => lab.service(database, sandbox), yardstick: () => lab.yardstick(database) };
    await requireSameAnswers(pair, [PATH]);
    const result = await loadPair({ ...pair, title: 'live', wish: { paths: [PATH] } });
    await sandbox.stop();
    return [throughputFigure('throughput', { atLeast: 0.9 }, result), latencyFigure('p99', null, result)];
  },
};
