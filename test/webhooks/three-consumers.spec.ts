import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { Settings } from '../../src/platform/config.js';
import { Proof } from '../crash/proof.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EventStreamClient } from '../support/event-stream-client.js';
import { LogReplica } from '../support/log-replica.js';
import { ServiceProcess } from '../support/service-process.js';
import { type ReceivedWebhook, WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, QUICK } from '../support/world.js';

const proof = new Proof('webhooks: three consumers');
const RUN_MS = proof.size(60, 600) * 1000;
const REPLICAS = 3;
const INSTANCES = 20;
/** What is killed when; what the processes make of it is up to the machine. */
const chance = new SeededRandom(proof.seed);
const BEGINNING = encodeURIComponent(Buffer.from('1.0.0').toString('base64url'));

interface EventPage {
  events: { id: string; instanceId: string }[];
  nextCursor: string;
}

interface Seen {
  readonly id: string;
  readonly instanceId: string;
}

describe('three ways to read one log', () => {
  let database: TestDatabase;
  let writer: LogReplica;
  let admin: pg.Client;
  let receiver: WebhookReceiver;
  const services: ServiceProcess[] = [];
  let env: Record<string, string>;
  const received: ReceivedWebhook[] = [];
  const killed = [0, 0, 0];

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await WebhookReceiver.start();
    env = {
      ...QUICK,
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
      WEBHOOK_ALLOWED_HOSTS: receiver.host,
    };
    admin = new pg.Client({ connectionString: database.url });
    admin.on('error', () => undefined);
    await admin.connect();
    writer = await LogReplica.start({ databaseUrl: database.url, sends: false });
    for (let replica = 0; replica < REPLICAS; replica += 1) services.push(await ServiceProcess.start(env));
  }, 120_000);

  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await admin.end();
    await writer.stop();
    await receiver.stop();
    await database.drop();
  });

  const anyService = () => services[Math.floor(chance.fraction() * services.length)]!;

  it(
    'show the same sequences after replicas, database connections and the receiver were killed at random',
    async () => {
      const { body: webhook } = await anyService().post<{ id: string }>('/api/webhooks', { url: receiver.url });
      const written: Seen[] = [];
      const state = { isOver: false };
      const isDone = (seen: readonly Seen[]) => state.isOver && seen.length >= written.length;
      const streamed: Seen[] = [];
      const paged: Seen[] = [];
      const reading = Promise.all([stream(anyService, streamed, isDone), page(anyService, paged, isDone)]);

      const endsAt = Date.now() + RUN_MS;
      const writing = (async () => {
        while (Date.now() < endsAt) {
          const names = Array.from({ length: 5 }, () => `inst-${Math.floor(chance.fraction() * INSTANCES)}`);
          // Two events of one instance at once would not be in an order.
          const events = await Promise.all([...new Set(names)].map((name) => writer.write(name)));
          written.push(...events);
          await pause(20);
        }
        state.isOver = true;
      })();
      while (Date.now() < endsAt) {
        await pause(500 + chance.fraction() * 1500);
        // Each kind in its turn; which replica, which connections and when is chance.
        const what = killed.reduce((sum, count) => sum + count, 0) % killed.length;
        killed[what] = (killed[what] ?? 0) + 1;
        await [killConnections, killReceiver, killReplica][what]!();
        const arrived = all().length;
        proof.progress(
          `${written.length} written; ${streamed.length} streamed, ${paged.length} paged, ${arrived} received; killed ${killed.join(' + ')}`,
        );
      }
      await writing;
      // A receiver's owner who says that it is back: the next try need not wait for its time.
      await eventually(
        async () =>
          (await anyService().send('PATCH', `/api/webhooks/${webhook.id}`, { url: receiver.url })).status === 200,
      );

      await reading;
      await eventually(async () => firstArrivals(all()).length >= written.length, 300_000);

      const repeated = all().length - firstArrivals(all()).length;
      proof.result({
        run_seconds: RUN_MS / 1000,
        events: written.length,
        connection_rounds: killed[0] ?? 0,
        receivers_killed: killed[1] ?? 0,
        replicas_killed: killed[2] ?? 0,
        repeated,
      });
      const truth = byInstance(written);
      expect(byInstance(paged)).toEqual(truth);
      expect(streamed.map(({ id }) => id)).toEqual(paged.map(({ id }) => id));
      expect(byInstance(firstArrivals(all()))).toEqual(truth);
      expect(written.length).toBeGreaterThan(RUN_MS / 1000);
      expect(Math.min(...killed)).toBeGreaterThan(0);
    },
    RUN_MS * 2 + 600_000,
  );

  const all = () => [...received, ...receiver.received];

  const killReplica = async () => {
    const victim = anyService();
    await victim.stop('SIGKILL');
    const next = await ServiceProcess.start(env);
    services[services.indexOf(victim)] = next;
  };

  const killConnections = async () => {
    const own = writer.get(Settings).replicaId.slice(0, 8);
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'novita-gpu-instances%'
          AND application_name NOT LIKE $1 AND random() < 0.5`,
      [`%${own}`],
    );
  };

  const killReceiver = async () => {
    const port = Number(receiver.host.split(':')[1]);
    await receiver.stop();
    received.push(...receiver.received);
    await pause(chance.fraction() * 500);
    receiver = await WebhookReceiver.start(port);
  };
});

type IsDone = (seen: readonly Seen[]) => boolean;

/** Changes the replica every few seconds, and whenever the stream ends. */
async function stream(anyService: () => ServiceProcess, streamed: Seen[], isDone: IsDone): Promise<void> {
  let lastEventId = '';
  while (!isDone(streamed)) {
    try {
      const url = `${anyService().url}/api/events/stream?after=${BEGINNING}`;
      const client = await EventStreamClient.open(url, lastEventId);
      const moveOnAt = Date.now() + 3_000;
      while (!client.hasEnded && Date.now() < moveOnAt) await pause(50);
      client.stop();
      lastEventId = client.lastEventId;
      streamed.push(...client.events.map(({ data }) => data));
    } catch {
      await pause(100);
    }
  }
}

async function page(anyService: () => ServiceProcess, paged: Seen[], isDone: IsDone): Promise<void> {
  let after = BEGINNING;
  while (!isDone(paged)) {
    await pause(50);
    try {
      const { status, body } = await anyService().get<EventPage>(`/api/events?limit=50&after=${after}`);
      if (status !== 200) continue;
      paged.push(...body.events);
      after = body.nextCursor;
    } catch {
      await pause(100);
    }
  }
}

function firstArrivals(webhooks: readonly ReceivedWebhook[]): Seen[] {
  const seen = new Map<string, Seen>();
  for (const { headers, body } of webhooks) {
    const id = String(headers['webhook-id']);
    if (!seen.has(id)) seen.set(id, { id, instanceId: String(body['instanceId']) });
  }
  return [...seen.values()];
}

function byInstance(seen: readonly Seen[]): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const { id, instanceId } of seen) (groups[instanceId] ??= []).push(id);
  return groups;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
