import type { Bench } from '../lib/bench.ts';
import { latencyFigure, loadPair, requireSameAnswers, throughputFigure } from '../lib/pair.ts';
import { databaseWithInstances } from '../lib/rows.ts';

const INSTANCES = 20_000;
const READ_BEFORE = 1_000;

/** One instance by its id: read over and over, and each for the first time. */
export const get: Bench = {
  name: 'get',
  title: 'GET /api/instances/{id}',
  async run(lab) {
    const { url, ids } = await databaseWithInstances(lab, INSTANCES);
    const [ours, theirs, sandbox] = [await lab.database(url), await lab.database(url), await lab.sandbox()];
    const pair = { lab, service: () => lab.service(ours, sandbox), yardstick: () => lab.yardstick(theirs) };
    const paths = ids.map((id) => `/api/instances/${id}`);
    const known = paths.slice(0, READ_BEFORE);
    await requireSameAnswers(pair, known.slice(0, 12));
    const before = await loadPair({ ...pair, title: 'read before', wish: { paths: known } });
    const wish = { paths: paths.slice(READ_BEFORE), once: true, warmUpPaths: known };
    const first = await loadPair({ ...pair, title: 'first reads', stays: false, wish });
    await sandbox.stop();
    return [
      throughputFigure('throughput, instances read before', { atLeast: 1.5 }, before),
      latencyFigure('p99, instances read before', { atMost: 1.3 }, before),
      throughputFigure('throughput, first reads', { atLeast: 0.7 }, first),
      latencyFigure('p99, first reads', { atMost: 1.3 }, first),
    ];
  },
};
