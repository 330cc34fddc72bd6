import type { Bench } from '../lib/bench.ts';
import { plainFigure } from '../lib/figure.ts';
import { latencyFigure, loadPair, requireSameAnswers, throughputFigure } from '../lib/pair.ts';
import { databaseWithInstances } from '../lib/rows.ts';
import { ratiosOf } from '../lib/statistics.ts';

const INSTANCES = 10_000;
const PAGE_1 = '/api/instances?limit=50';
const PAGE_180 = '/api/instances?limit=50&offset=8950';
const FILTERED = '/api/instances?limit=50&status=running&region=CN-HK-01&product=RTX%204090%2024GB';

/** Pages of a long list. */
export const list: Bench = {
  name: 'list',
  title: 'GET /api/instances?limit=50 over 10,000 rows',
  async run(lab) {
    const { url } = await databaseWithInstances(lab, INSTANCES);
    const [ours, theirs, sandbox] = [await lab.database(url), await lab.database(url), await lab.sandbox()];
    const pair = { lab, service: () => lab.service(ours, sandbox), yardstick: () => lab.yardstick(theirs) };
    await requireSameAnswers(pair, [PAGE_1, PAGE_180, FILTERED]);
    const first = await loadPair({ ...pair, title: 'page 1', wish: { paths: [PAGE_1] } });
    const late = await loadPair({ ...pair, title: 'page 180', wish: { paths: [PAGE_180] } });
    const filtered = await loadPair({ ...pair, title: 'filtered', wish: { paths: [FILTERED] } });
    await sandbox.stop();
    const slower = ratiosOf(
      first.ours.map(({ perSecond }) => perSecond),
      late.ours.map(({ perSecond }) => perSecond),
    );
    return [
      throughputFigure('throughput, page 1', { atLeast: 1 }, first),
      latencyFigure('p99, page 1', null, first),
      throughputFigure('throughput, page 180', { atLeast: 1 }, late),
      throughputFigure('throughput, three filters', { atLeast: 1 }, filtered),
      latencyFigure('p99, three filters', null, filtered),
      plainFigure('page 1 ÷ page 180 of the service', { atLeast: 1 / 1.5, atMost: 1.5 }, slower, ''),
    ];
  },
};
