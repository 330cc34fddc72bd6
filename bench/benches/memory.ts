import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { plainFigure } from '../lib/figure.ts';
import { DEPLOYMENT_ID, fleetOf } from '../lib/fleet.ts';
import type { Lab, Server } from '../lib/lab.ts';
import { rounded, say } from '../lib/progress.ts';
import { numberFrom } from '../lib/settings.ts';
import { median } from '../lib/statistics.ts';

const MACHINES = 10_000;
const MINUTES = numberFrom('BENCH_MEMORY_MINUTES', 60);
/** The first ten minutes of an hour. */
const WARM_PART = 1 / 6;
const SETTLE_MS = Math.min(60_000, MINUTES * 10_000);
const SLICE_SECONDS = Math.min(30, MINUTES * 6);
const CONNECTIONS = 10;
const ENV = { DEPLOYMENT_ID, NOVITA_REQUESTS_PER_MINUTE: '100000' };
/** What readings of one process differ by without any growth. */
const NOISE = 1.05;

/** Resident memory of the service's process. */
export const memory: Bench = {
  name: 'memory',
  title: 'Resident memory',
  async run(lab) {
    const idle = await settled(lab, 0);
    await idle.service.stop();
    const busy = await settled(lab, MACHINES);
    const slices = await underLoad(lab, busy.service);
    await busy.service.stop();
    const afterWarmUp = slices.slice(Math.ceil(slices.length * WARM_PART));
    const half = Math.ceil(afterWarmUp.length / 2);
    const [early, late] = [afterWarmUp.slice(0, half), afterWarmUp.slice(-half)].map(median);
    const growth = (late ?? Number.NaN) / (early ?? Number.NaN);
    const details = `${rounded(late ?? 0)} ÷ ${rounded(early ?? 0)} MiB`;
    return [
      plainFigure('idle', { atMost: 180 }, [idle.mebibytes], 'MiB'),
      plainFigure(`${MACHINES} machines`, { atMost: 300 }, [busy.mebibytes], 'MiB'),
      plainFigure(
        `${MINUTES} min of load: second half ÷ first, after the first sixth`,
        { atMost: NOISE },
        [growth],
        '',
        details,
      ),
    ];
  },
};

async function settled(lab: Lab, machines: number): Promise<{ service: Server; mebibytes: number }> {
  const { databaseUrl, sandbox } = await fleetOf(lab, machines);
  const service = await lab.service(databaseUrl, sandbox, ENV);
  await sleep(SETTLE_MS);
  const mebibytes = mebibytesOf(service);
  say(`${machines} machines: ${rounded(mebibytes)} MiB`);
  return { service, mebibytes };
}

/** Reads of single instances and of lists, while the sweeps go on. */
async function underLoad(lab: Lab, service: Server): Promise<number[]> {
  const single = Array.from({ length: MACHINES }, (_, index) => `/api/instances/inst-${index}`);
  const lists = Array.from({ length: MACHINES / 50 }, (_, page) => `/api/instances?limit=50&offset=${page * 50}`);
  const slices: number[] = [];
  const endsAt = performance.now() + MINUTES * 60_000;
  while (performance.now() < endsAt) {
    const paths = slices.length % 2 === 0 ? single : lists;
    const wish = { paths, connections: CONNECTIONS, seconds: SLICE_SECONDS, warmUpSeconds: 0, warmUpRequests: 0 };
    const { perSecond } = await lab.load([service], wish);
    slices.push(mebibytesOf(service));
    say(`${rounded(perSecond)} requests/s, ${rounded(slices.at(-1) ?? 0)} MiB`);
  }
  return slices;
}

function mebibytesOf({ child }: Server): number {
  return (child.memoryBytes() ?? Number.NaN) / 2 ** 20;
}
