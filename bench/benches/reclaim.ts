import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { plainFigure } from '../lib/figure.ts';
import { control, DEPLOYMENT_ID, type Fleet, fleetOf, forEach } from '../lib/fleet.ts';
import type { Lab } from '../lib/lab.ts';
import { rounded, say } from '../lib/progress.ts';
import { numberFrom } from '../lib/settings.ts';
import { percentile } from '../lib/statistics.ts';
import { Traffic } from '../lib/traffic.ts';

const MACHINES = numberFrom('BENCH_MACHINES', 1000);
const CALLS_PER_MINUTE = numberFrom('BENCH_CALLS_PER_MINUTE', 600);
const FAIR_MINUTES = MACHINES / CALLS_PER_MINUTE;
const FIRST_END_SECONDS = 3600;
const END_EVERY_SECONDS = 3;
/** Without a common divisor with the number of machines: who ends first says nothing about who was bought first. */
const SHUFFLE = 7919;
const IDLE_MS = 15_000;
const LOOK_EVERY_MS = 500;
const READ_INSTANCES = 200;

interface Doomed {
  readonly novitaId: string;
  /** 0 ends first. */
  readonly rank: number;
}

interface LoggedCall {
  readonly id: string | null;
  readonly realAt: number;
}

/** A zone takes all its machines back, before the times that it had announced. */
export const reclaim: Bench = {
  name: 'reclaim',
  title: `${MACHINES} spot machines reclaimed at once, ${CALLS_PER_MINUTE} calls a minute`,
  async run(lab) {
    const fleet = await fleetOf(lab, MACHINES);
    const service = await lab.service(fleet.databaseUrl, fleet.sandbox, {
      DEPLOYMENT_ID,
      NOVITA_REQUESTS_PER_MINUTE: String(CALLS_PER_MINUTE),
    });
    const doomed = fleet.novitaIds.map((novitaId, index) => ({ novitaId, rank: (index * SHUFFLE) % MACHINES }));
    await announce(lab, fleet, doomed);

    const paths = Array.from({ length: READ_INSTANCES }, (_, index) => `/api/instances/inst-${index % MACHINES}`);
    const traffic = new Traffic(paths.map((path) => service.url + path));
    await sleep(IDLE_MS);
    traffic.takeP99Ms();
    await sleep(IDLE_MS);
    const idleP99Ms = traffic.takeP99Ms();
    const sentAfterMs = await takeBack(fleet, doomed);
    const busyP99Ms = traffic.takeP99Ms();
    await traffic.stop();
    await service.stop();
    await fleet.sandbox.stop();

    const lastMinutes = Math.max(...sentAfterMs.values()) / 60_000;
    const places = displacements(doomed, sentAfterMs);
    const details = `${rounded(lastMinutes * 60)} s after the reclaim, for ${rounded(FAIR_MINUTES * 60)} s of budget`;
    return [
      plainFigure('last first call ÷ machines per budget', { atMost: 1.2 }, [lastMinutes / FAIR_MINUTES], '', details),
      plainFigure('places out of the order of deadlines, p99', null, [percentile(places, 0.99)], ''),
      plainFigure(
        'other traffic, p99 ÷ p99 when idle',
        { atMost: 2 },
        [busyP99Ms / idleP99Ms],
        '',
        `${rounded(busyP99Ms)} ÷ ${rounded(idleP99Ms)} ms`,
      ),
    ];
  },
};

/** Until every instance knows its deadline. */
async function announce(lab: Lab, { databaseUrl, sandbox }: Fleet, doomed: readonly Doomed[]): Promise<void> {
  say('every machine is given notice, in no order');
  await forEach(doomed, ({ novitaId, rank }) =>
    control(sandbox, `/machines/${novitaId}/notice`, { inSeconds: FIRST_END_SECONDS + rank * END_EVERY_SECONDS }),
  );
  for (;;) {
    const text = 'SELECT count(*)::int AS open FROM instances WHERE notice_deadline_at IS NULL';
    const [row] = await lab.query<{ open: number }>(databaseUrl, text);
    if (row?.open === 0) return;
    await sleep(LOOK_EVERY_MS);
  }
}

/** When the first call for each machine was sent, in milliseconds after the reclaim. */
async function takeBack({ sandbox }: Fleet, doomed: readonly Doomed[]): Promise<Map<string, number>> {
  await control(sandbox, '/calls/reset', {});
  const startedAt = Date.now();
  await forEach(doomed, ({ novitaId }) => control(sandbox, `/machines/${novitaId}/reclaim`, {}));
  say('all are taken back');
  const giveUpAt = startedAt + 10 * FAIR_MINUTES * 60_000;
  for (;;) {
    const { log } = await control<{ log: LoggedCall[] }>(sandbox, '/calls');
    const first = new Map<string, number>();
    for (const { id, realAt } of log) if (id !== null && !first.has(id)) first.set(id, realAt - startedAt);
    if (first.size >= doomed.length) return first;
    if (Date.now() > giveUpAt) throw new Error(`Only ${first.size} of ${doomed.length} machines were acted for`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** How many places each is away from where the order of deadlines puts it. */
function displacements(doomed: readonly Doomed[], sentAfterMs: ReadonlyMap<string, number>): number[] {
  const sent = doomed.toSorted(
    (a, b) => (sentAfterMs.get(a.novitaId) ?? Infinity) - (sentAfterMs.get(b.novitaId) ?? Infinity),
  );
  return sent.map(({ rank }, place) => Math.abs(rank - place));
}
