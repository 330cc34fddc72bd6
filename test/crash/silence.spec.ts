import { afterEach, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { createTestDatabase } from '../support/database.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';
import { BlackHole } from './black-hole.js';
import { Proof, spread } from './proof.js';

const FAILS_WITHIN_MS = 5_000;
const HEALTHY_WITHIN_MS = 10_000;
const SILENT_MS = 8_000;
const CLIENTS = 6;

const proof = new Proof('silence');
const ROUNDS = proof.size(1, 10);

interface Health {
  readonly status: string;
}

describe('a service with a peer that falls silent', () => {
  let world: World | undefined;
  const holes: BlackHole[] = [];
  const receivers: WebhookReceiver[] = [];

  afterEach(async () => {
    for (const hole of holes.splice(0)) hole.stop();
    await world?.stop();
    world = undefined;
    await Promise.all(receivers.splice(0).map((receiver) => receiver.stop()));
  }, 120_000);

  it(
    'towards Postgres fails its requests soon, and is healthy soon after',
    async () => {
      const database = await createTestDatabase();
      const hole = await openHole(new URL(database.url));
      const url = new URL(database.url);
      url.port = String(hole.port);
      world = await World.start({ database: { url: url.toString(), drop: () => database.drop() } });
      const slowest: number[] = [];
      const recoveries: number[] = [];

      for (let round = 0; round < ROUNDS; round += 1) {
        hole.fallSilent();
        const answers = await askFor(SILENT_MS, world);
        hole.speak();
        recoveries.push(await untilHealthy(world));

        slowest.push(Math.max(...answers.map(({ ms }) => ms)));
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
        proof.progress(`Postgres, round ${round + 1} of ${ROUNDS}`);
      }

      report('Postgres', slowest, recoveries);
      expect(Math.max(...slowest)).toBeLessThanOrEqual(FAILS_WITHIN_MS);
      expect(Math.max(...recoveries)).toBeLessThanOrEqual(HEALTHY_WITHIN_MS);
      await bringUp(world);
    },
    60_000 + ROUNDS * 60_000,
  );

  it(
    'towards the upstream goes on answering, and buys again soon after',
    async () => {
      world = await World.start({ replicas: 0 });
      const upstream = await openHole(new URL(world.sandbox.url));
      const base = new URL(world.sandbox.baseUrl);
      base.port = String(upstream.port);
      await world.addService({ NOVITA_API_BASE_URL: base.toString() });
      await bringUp(world);
      const slowest: number[] = [];
      const recoveries: number[] = [];

      for (let round = 0; round < ROUNDS; round += 1) {
        upstream.fallSilent();
        const answers = await askFor(SILENT_MS, world);
        upstream.speak();
        recoveries.push(await untilHealthy(world));

        slowest.push(Math.max(...answers.map(({ ms }) => ms)));
        expect(answers.filter(({ status }) => status >= 400)).toEqual([]);
        proof.progress(`upstream, round ${round + 1} of ${ROUNDS}`);
      }

      report('upstream', slowest, recoveries);
      expect(Math.max(...slowest)).toBeLessThanOrEqual(FAILS_WITHIN_MS);
      expect(Math.max(...recoveries)).toBeLessThanOrEqual(HEALTHY_WITHIN_MS);
      await bringUp(world);
    },
    60_000 + ROUNDS * 60_000,
  );

  it('towards a webhook receiver keeps others waiting for nothing, and loses no event', async () => {
    const [silent, other] = [await openReceiver(), await openReceiver()];
    const hole = await openHole(new URL(silent.url));
    const hosts = [`127.0.0.1:${hole.port}`, other.host];
    world = await World.start({ env: { WEBHOOK_ALLOWED_HOSTS: hosts.join(',') } });

    hole.fallSilent();
    const held = await bringUp(world, { webhookUrl: `http://127.0.0.1:${hole.port}/webhook` });
    const askedAt = Date.now();
    await bringUp(world, { webhookUrl: other.url });
    await eventually(async () => other.events('instance.ready').length === 1, FAILS_WITHIN_MS);
    const answers = await askFor(2_000, world);
    hole.speak();
    const spokeAt = Date.now();
    await eventually(
      async () =>
        silent.received.some(({ body }) => JSON.stringify(body).includes(held) && body['event'] === 'instance.ready'),
      60_000,
    );

    expect(answers.filter(({ ms, status }) => status >= 400 || ms > FAILS_WITHIN_MS)).toEqual([]);
    proof.result({
      peer: 'webhook receiver',
      otherToldAfter: ((other.received[0]?.at ?? 0) - askedAt) / 1000,
      deliveredAfter: (Date.now() - spokeAt) / 1000,
    });
  }, 120_000);

  async function openHole({ hostname, port }: URL): Promise<BlackHole> {
    const hole = await BlackHole.before({ host: hostname, port: Number(port) });
    holes.push(hole);
    return hole;
  }

  async function openReceiver(): Promise<WebhookReceiver> {
    const receiver = await WebhookReceiver.start();
    receivers.push(receiver);
    return receiver;
  }
});

/** Orders and reads, several at once; each with the time that its answer took. */
async function askFor(durationMs: number, { service }: World): Promise<{ status: number; ms: number }[]> {
  const until = Date.now() + durationMs;
  const answers: { status: number; ms: number }[] = [];
  const ask = async (index: number) => {
    while (Date.now() < until) {
      const startedAt = Date.now();
      const { status } = await (index % 2 === 0
        ? service.post('/api/instances', anOrder({ name: `asked-${index}` }))
        : service.get('/api/instances?limit=5'));
      answers.push({ status, ms: Date.now() - startedAt });
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => ask(index)));
  return answers;
}

async function untilHealthy({ service }: World): Promise<number> {
  const since = Date.now();
  await eventually(async () => {
    const [health, list] = await Promise.all([service.get<Health>('/health'), service.get('/api/instances?limit=5')]);
    return health.status === 200 && list.status === 200;
  }, 60_000);
  return Date.now() - since;
}

async function bringUp({ service }: World, overrides: Record<string, unknown> = {}): Promise<string> {
  const { body } = await service.post<{ instanceId: string }>('/api/instances', anOrder(overrides));
  await eventually(
    async () => (await service.get<{ status: string }>(`/api/instances/${body.instanceId}`)).body.status === 'running',
    60_000,
  );
  return body.instanceId;
}

function report(peer: string, slowest: readonly number[], recoveries: readonly number[]): void {
  proof.result({ peer, slowestAnswer: spread(slowest).max, healthyAfterMax: spread(recoveries).max });
}
