import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../lib/bench.ts';
import { type Figure, plainFigure } from '../lib/figure.ts';
import { control, DEPLOYMENT_ID, type Fleet, fleetOf, forEach } from '../lib/fleet.ts';
import { figuresOf, WITH_PROBE } from '../lib/inside.ts';
import type { Lab, Server } from '../lib/lab.ts';
import { rounded, say } from '../lib/progress.ts';
import { ROUNDS } from '../lib/settings.ts';
import { median } from '../lib/statistics.ts';

const SMALL = 10_000;
const LARGE = 50_000;
const CHANGED_PART = 0.01;
/** Far enough apart that one sweep, and all that it wakes, is over before the next one. */
const POLL_SECONDS = 8;
const SETTLE_MS = 2_000;
const LOOK_EVERY_MS = 25;

const ENV = {
  DEPLOYMENT_ID,
  LIFECYCLE_POLL_SECONDS: String(POLL_SECONDS),
  NOVITA_REQUESTS_PER_MINUTE: '1000000',
};

interface Round {
  readonly listCalls: number;
  /** Beyond what the process uses when it is idle. */
  readonly cpuMs: number;
  readonly longestTurnMs: number;
  readonly longestDelayMs: number;
}

/** The observer's look at all machines, a hundredth of which has changed, and all that it sets going. */
export const sweep: Bench = {
  name: 'sweep',
  title: 'A sweep over all machines, 1 % changed',
  async run(lab) {
    const small = await several(lab, SMALL);
    const large = await several(lab, LARGE);
    const cpu = (rounds: readonly Round[]) => rounds.map(({ cpuMs }) => cpuMs / 1000);
    const growth = median(cpu(large)) / median(cpu(small));
    return [
      ...figuresFor(SMALL, small, { cpu: 1.5, turn: 50 }),
      ...figuresFor(LARGE, large, { cpu: null, turn: 50 }),
      plainFigure(`CPU, ${LARGE} ÷ ${SMALL} machines`, { atMost: (1.2 * LARGE) / SMALL }, [growth], ''),
    ];
  },
};

function figuresFor(machines: number, rounds: readonly Round[], goals: { cpu: number | null; turn: number }): Figure[] {
  const of = (key: keyof Round) => rounds.map((round) => round[key]);
  const cpuGoal = goals.cpu === null ? null : { atMost: goals.cpu };
  const delays = `${rounded(median(of('longestDelayMs')))} ms on the clock, waits for a processor included`;
  return [
    plainFigure(`${machines} machines: list calls`, { atMost: machines / 100 + 1 }, of('listCalls'), ''),
    plainFigure(
      `${machines} machines: CPU`,
      cpuGoal,
      of('cpuMs').map((ms) => ms / 1000),
      's',
    ),
    plainFigure(
      `${machines} machines: longest turn of the event loop`,
      { atMost: goals.turn },
      of('longestTurnMs'),
      'ms',
      delays,
    ),
  ];
}

async function several(lab: Lab, machines: number): Promise<Round[]> {
  say(`${machines} machines in the sandbox and in the rows`);
  const fleet = await fleetOf(lab, machines);
  const service = await lab.service(fleet.databaseUrl, fleet.sandbox, ENV, WITH_PROBE);
  await untilSwept(lab, fleet);
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const result = await measure(lab, fleet, service, round);
    rounds.push(result);
    const { listCalls, cpuMs, longestTurnMs, longestDelayMs } = result;
    say(
      `round ${round} of ${ROUNDS}, ${machines} machines: ${listCalls} list calls, ${rounded(cpuMs)} ms of CPU, ` +
        `longest turn ${rounded(longestTurnMs)} ms, longest delay ${rounded(longestDelayMs)} ms`,
    );
  }
  await service.stop();
  await fleet.sandbox.stop();
  return rounds;
}

async function measure(lab: Lab, fleet: Fleet, service: Server, round: number): Promise<Round> {
  await untilSwept(lab, fleet);
  await sleep(SETTLE_MS);
  const idleFrom = await figuresOf(service);
  await sleep(SETTLE_MS);
  const idleTo = await figuresOf(service);
  const idlePart = (idleTo.cpuMs - idleFrom.cpuMs) / (idleTo.atMs - idleFrom.atMs);
  await change(fleet, round);
  const callsBefore = await listCalls(fleet);
  const before = await figuresOf(service);
  await untilSwept(lab, fleet);
  await sleep(SETTLE_MS);
  const after = await figuresOf(service);
  return {
    listCalls: (await listCalls(fleet)) - callsBefore,
    cpuMs: after.cpuMs - before.cpuMs - idlePart * (after.atMs - before.atMs),
    longestTurnMs: after.longestTurnMs,
    longestDelayMs: after.longestDelayMs,
  };
}

/** Something that is written down and looked at, but after which nothing has to be done. */
async function change({ sandbox, novitaIds }: Fleet, round: number): Promise<void> {
  const step = 1 / CHANGED_PART;
  const changed = novitaIds.filter((_, index) => index % step === round % step);
  const statusError = { state: 'notice', message: `round ${round}` };
  await forEach(changed, (id) => control(sandbox, `/machines/${id}/status`, { statusError }));
}

async function listCalls({ sandbox }: Fleet): Promise<number> {
  return (await control<{ counts: { list?: number } }>(sandbox, '/calls')).counts.list ?? 0;
}

/** The end of the next sweep. */
async function untilSwept(lab: Lab, { databaseUrl }: Fleet): Promise<void> {
  const before = await lastSweep(lab, databaseUrl);
  while ((await lastSweep(lab, databaseUrl)) === before) await sleep(LOOK_EVERY_MS);
}

async function lastSweep(lab: Lab, databaseUrl: string): Promise<number> {
  const rows = await lab.query<{ at: Date }>(
    databaseUrl,
    `SELECT completed_at AS at FROM sweeps WHERE name = 'observer'`,
  );
  return rows[0]?.at.getTime() ?? 0;
}
