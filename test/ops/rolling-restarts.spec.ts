import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import { Balancer } from '../support/balancer.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World } from '../support/world.js';

const RESTARTS = Number(process.env['ROLLING_RESTARTS'] ?? 5);
const CALLERS = 4;
/** As long as the balancer needs to notice, with much room for a busy machine. */
const DELAY_SECONDS = '1.5';

let world: World;
let balancer: Balancer;
// A shared machine may be many times slower than an own one.
jest.setTimeout(120_000);

beforeAll(async () => {
  world = await World.start({
    replicas: 2,
    env: { SHUTDOWN_DELAY_SECONDS: DELAY_SECONDS, LIFECYCLE_POLL_SECONDS: '10' },
  });
  balancer = await Balancer.start();
  for (const { url } of world.services) balancer.add(url);
  await eventually(async () => world.services.every(({ url }) => balancer.isReady(url)));
});
afterAll(async () => {
  await balancer.stop();
  await world.stop();
});

interface Load {
  readonly answered: Record<number, number>;
  readonly failures: string[];
  stop(): Promise<void>;
}

/** Reads and orders without a pause, each caller on connections that are kept open. */
function putUnderLoad(): Load {
  const load = { answered: {} as Record<number, number>, failures: [] as string[] };
  let isOn = true;
  const call = async (turn: number) => {
    const isOrder = turn % 40 === 0;
    try {
      const answer = await fetch(`${balancer.url}/api/instances?limit=5`.replace(isOrder ? '?limit=5' : '', ''), {
        ...(isOrder && {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(anOrder()),
        }),
      });
      await answer.arrayBuffer();
      load.answered[answer.status] = (load.answered[answer.status] ?? 0) + 1;
      if (answer.status >= 400) load.failures.push(`${answer.status} ${answer.headers.get('x-balancer')}`);
    } catch (error) {
      load.failures.push(String(error));
    }
  };
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    for (let turn = caller; isOn; turn += 1) {
      await call(turn);
      await sleep(5);
    }
  });
  return {
    ...load,
    stop: async () => {
      isOn = false;
      await Promise.all(callers);
    },
  };
}

async function restart(index: number): Promise<{ exitCode: number | null; tookMs: number }> {
  const old = world.services[index]!;
  const exited = once(old.child, 'exit');
  const toldAt = Date.now();
  old.signal('SIGTERM');
  const [exitCode] = (await exited) as [number | null];
  const tookMs = Date.now() - toldAt;
  balancer.remove(old.url);
  const fresh: ServiceProcess = await world.addService();
  world.services.splice(world.services.indexOf(fresh), 1);
  world.services[index] = fresh;
  balancer.add(fresh.url);
  await eventually(async () => balancer.isReady(fresh.url));
  return { exitCode, tookMs };
}

interface Holder {
  readonly replica: string;
  readonly token: bigint;
  readonly endsInMs: number;
}

/** The beginning of its id, which every line of its log carries. */
function replicaOf(service: ServiceProcess): string {
  const id = /"replica":"([^"]+)"/.exec(service.lines.join('\n'))?.[1];
  if (id === undefined) throw new Error('The service has not logged yet');
  return id;
}

/** Who watches the machines now. */
async function observer(): Promise<Holder | null> {
  const client = new pg.Client({ connectionString: world.database.url });
  await client.connect();
  const { rows } = await client.query<{ holder: string; token: string; ends: number }>(
    `SELECT holder, token, extract(epoch FROM expires_at - clock_timestamp())::float8 * 1000 AS ends FROM leases
      WHERE name = 'observer' AND expires_at > clock_timestamp()`,
  );
  await client.end();
  const [row] = rows;
  return row === undefined ? null : { replica: row.holder, token: BigInt(row.token), endsInMs: row.ends };
}

describe('a rolling restart', () => {
  it(
    `loses no request and ends in time, ${RESTARTS} times in a row under load`,
    async () => {
      const load = putUnderLoad();

      const restarts: { exitCode: number | null; tookMs: number }[] = [];
      for (let turn = 0; turn < RESTARTS; turn += 1) restarts.push(await restart(turn % 2));
      await load.stop();

      expect(load.failures).toEqual([]);
      expect(load.answered[200]).toBeGreaterThan(50);
      expect(load.answered[201]).toBeGreaterThan(5);
      expect(restarts.map(({ exitCode }) => exitCode)).toEqual(Array<number>(RESTARTS).fill(0));
      expect(Math.max(...restarts.map(({ tookMs }) => tookMs))).toBeLessThan(10_000);
    },
    Math.max(180_000, RESTARTS * 30_000),
  );

  it('passes the watch over all machines on at once, and does not wait for its lease to end', async () => {
    const holder = await eventually(observer);
    const leaving = world.services.find((service) => holder.replica.startsWith(replicaOf(service)))!;

    leaving.signal('SIGTERM');
    const toldAt = Date.now();
    const next = await eventually(async () => {
      const now = await observer();
      return now !== null && now.replica !== holder.replica && now;
    });

    expect(holder.endsInMs).toBeGreaterThan(15_000);
    expect(Date.now() - toldAt).toBeLessThan(8_000);
    expect(next.token).toBeGreaterThan(holder.token);
  });
});
