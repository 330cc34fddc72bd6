import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  databaseUrlOn,
  type EmbeddedPostgres,
  startPostgres,
  stopPostgres,
} from '../../src/platform/database/embedded-postgres.js';
import { applyMigrations } from '../../src/platform/database/migrate.js';
import { anOrder } from '../builders/an-order.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually } from '../support/world.js';
import { Chance } from './chance.js';
import { Proof, spread } from './proof.js';
import { ProofWorld } from './proof-world.js';

const REPLICAS = 2;
const READY_WITHIN_MS = 3_000;
const CLIENTS = 4;

const proof = new Proof('postgres');
const RESTARTS = proof.size(3, 30);

describe('a service whose Postgres is restarted under load', () => {
  let directory: string;
  let postgres: EmbeddedPostgres;
  let proofWorld: ProofWorld;
  const chance = new Chance(proof.seed);
  const answers = new Map<string, number>();
  let isOver = false;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'proof-postgres-'));
    await chmod(directory, 0o755);
    postgres = await startPostgres(directory);
    const url = databaseUrlOn(postgres.url, 'proof');
    await applyMigrations(url);
    proofWorld = await ProofWorld.start({ replicas: REPLICAS, database: { url, drop: async () => undefined } });
    await proofWorld.world.sandbox.control('/stock', { count: 1_000_000 });
  }, 120_000);

  afterAll(async () => {
    await proofWorld.stop();
    await stopPostgres(directory);
    await rm(directory, { recursive: true, force: true });
  }, 120_000);

  it(
    `loses nothing that it acknowledged, says 503 meanwhile and is ready again at once, ${RESTARTS} times`,
    async () => {
      const clients = Array.from({ length: CLIENTS }, (_, index) => keepAsking(index));
      const readyAfter: number[] = [];
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        await sleep(chance.between(1_500, 3_000));
        await end(restart % 2 === 0 ? 'SIGINT' : 'SIGQUIT');
        await sleep(chance.between(200, 1_500));
        postgres = await startPostgres(directory);
        readyAfter.push(await untilReady());
        proof.progress(`${restart + 1} of ${RESTARTS} restarts`);
      }
      isOver = true;
      await Promise.all(clients);

      const equalAfterMs = await proofWorld.judge.untilEqual(60_000);
      const unexpected = [...answers].filter(([kind]) => !['200', '201', '503 with Retry-After'].includes(kind));
      expect(unexpected).toEqual([]);
      expect(proofWorld.world.services.map(({ child }) => child.exitCode ?? child.signalCode)).toEqual([null, null]);
      expect(await proofWorld.brokenPromises()).toEqual([]);
      expect(await proofWorld.failures()).toEqual([]);
      const { median, max } = spread(readyAfter);
      expect(max).toBeLessThanOrEqual(READY_WITHIN_MS / 1000);
      proof.result({
        restarts: RESTARTS,
        acknowledged: proofWorld.acknowledged.size,
        lost: 0,
        exits: 0,
        answers503: answers.get('503 with Retry-After') ?? 0,
        answers2xx: (answers.get('200') ?? 0) + (answers.get('201') ?? 0),
        readyAfterMedian: median,
        readyAfterMax: max,
        equalAfter: equalAfterMs / 1000,
      });
    },
    120_000 + RESTARTS * 30_000,
  );

  /** SIGINT is Postgres' fast shutdown, SIGQUIT the immediate one, which leaves everything to crash recovery. */
  async function end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    process.kill(postgres.pid, signal);
    await stopPostgres(directory);
  }

  /** From the moment at which Postgres takes connections. */
  async function untilReady(): Promise<number> {
    const since = Date.now();
    await Promise.all(
      proofWorld.world.services.map((service) =>
        eventually(async () => (await service.get('/health/ready')).status === 200, 30_000),
      ),
    );
    return Date.now() - since;
  }

  async function keepAsking(client: number): Promise<void> {
    for (let request = 0; !isOver; request += 1) {
      const service = proofWorld.world.services[request % REPLICAS];
      if (service !== undefined)
        note(await (request % 3 === 0 ? orderFrom(service, `${client}-${request}`) : listFrom(service)));
      await sleep(100);
    }
  }

  async function orderFrom(service: ServiceProcess, name: string): Promise<string> {
    const answer = await service.post<{ instanceId: string }>('/api/instances', anOrder({ name })).catch(String);
    if (typeof answer !== 'string' && answer.status === 201) proofWorld.acknowledged.add(answer.body.instanceId);
    return describeAnswer(answer);
  }

  async function listFrom(service: ServiceProcess): Promise<string> {
    return describeAnswer(await service.get('/api/instances?limit=5').catch(String));
  }

  function note(kind: string): void {
    answers.set(kind, (answers.get(kind) ?? 0) + 1);
  }
});

function describeAnswer(answer: string | { status: number; headers: Headers; body: unknown }): string {
  if (typeof answer === 'string') return answer;
  if (answer.status < 300) return String(answer.status);
  const retryAfter = answer.headers.get('retry-after');
  return retryAfter === null ? `${answer.status} ${JSON.stringify(answer.body)}` : `${answer.status} with Retry-After`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
