import type { Bench } from '../lib/bench.ts';
import { plainFigure, ratioFigure } from '../lib/figure.ts';
import type { Lab, Sandbox, Server } from '../lib/lab.ts';
import type { LoadResult } from '../lib/load.ts';
import { LockWaits } from '../lib/lock-waits.ts';
import { tellLoad } from '../lib/pair.ts';
import { rounded, say } from '../lib/progress.ts';
import { alternate, type Contender } from '../lib/rounds.ts';
import { databaseWithInstances } from '../lib/rows.ts';
import { ROUNDS } from '../lib/settings.ts';
import { databaseWithQueues, ORDERS } from './create.ts';

const INSTANCES = 10_000;
const READ = 1_000;
const LONG_MS = 10;

/** Two replicas on one database against one, at the same load in all. */
export const replicas: Bench = {
  name: 'replicas',
  title: 'Two replicas against one',
  async run(lab) {
    const sandbox = await lab.sandbox();
    const { url, ids } = await databaseWithInstances(lab, INSTANCES);
    const paths = ids.slice(0, READ).map((id) => `/api/instances/${id}`);
    const reads = async (count: number): Promise<Contender<LoadResult>> => {
      const database = await lab.database(url);
      let all: Server[] = [];
      return {
        name: count === 1 ? 'one' : 'two',
        stays: true,
        start: async () => {
          all = await startReplicas(lab, database, sandbox, count);
          return together(all);
        },
        measure: () => lab.load(all, { paths }),
        tell: tellLoad,
      };
    };
    const { ours: two, theirs: one } = await alternate('reads', await reads(2), await reads(1));
    const shares = await lockWaitsOfOrders(lab, sandbox);
    await sandbox.stop();
    const perSecond = (results: LoadResult[]) => results.map((result) => result.perSecond);
    return [
      ratioFigure('throughput of reads, two ÷ one', { atLeast: 1 }, perSecond(two), perSecond(one), 'requests/s'),
      plainFigure(`orders that waited for a lock for more than ${LONG_MS} ms`, { atMost: 1 }, shares, '%'),
    ];
  },
};

async function startReplicas(lab: Lab, database: string, sandbox: Sandbox, count: number): Promise<Server[]> {
  const servers: Server[] = [];
  while (servers.length < count) servers.push(await lab.service(database, sandbox));
  return servers;
}

function together(servers: readonly Server[]): Server {
  const [first] = servers;
  if (first === undefined) throw new Error('There must be one');
  const stop = async () => void (await Promise.all(servers.map((server) => server.stop())));
  return { ...first, stop };
}

/** Per cent of the orders, round by round; at most one of a hundred is what "p99" says. */
async function lockWaitsOfOrders(lab: Lab, sandbox: Sandbox): Promise<number[]> {
  const empty = await databaseWithQueues(lab, sandbox);
  const shares: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const database = await lab.database(empty);
    const servers = await startReplicas(lab, database, sandbox, 2);
    const waits = new LockWaits();
    const watching = waits.watch(database);
    const { requests, perSecond } = await lab.load(servers, { ...ORDERS, warmUpSeconds: 0 });
    waits.stop();
    await watching;
    await Promise.all(servers.map((server) => server.stop()));
    shares.push((100 * waits.longerThan(LONG_MS)) / requests);
    say(`orders: round ${round} of ${ROUNDS}: ${rounded(perSecond)}/s, ${waits.longerThan(LONG_MS)} long waits`);
  }
  return shares;
}
