import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Agent, createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import pg from 'pg';
import { EventStreams } from '../../src/events/event-streams.js';
import { EventTail } from '../../src/events/event-tail.js';
import { ANONYMOUS } from '../../src/platform/http/caller.js';
import { Proof } from '../crash/proof.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { EventStreamClient } from '../support/event-stream-client.js';
import { LogReplica } from '../support/log-replica.js';
import { ServiceProcess } from '../support/service-process.js';
import { eventually, QUICK } from '../support/world.js';

interface EventPage {
  events: { id: string; cursor: string; type: string; instanceId: string; sequence: number }[];
  nextCursor: string;
  hasMore: boolean;
}

const proof = new Proof('events: streams');
const QUIET_READERS = proof.size(300, 4_000);

describe('the stream of events', () => {
  let database: TestDatabase;
  let writer: LogReplica;
  let first: ServiceProcess;
  let second: ServiceProcess;
  const streams: EventStreamClient[] = [];
  const servers: Server[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = {
      ...QUICK,
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      // Nothing listens there: these tests write events by themselves.
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
    };
    writer = await LogReplica.start({ databaseUrl: database.url, sends: false });
    [first, second] = await Promise.all([ServiceProcess.start(env), ServiceProcess.start(env)]);
  });

  afterAll(async () => {
    for (const stream of streams) stream.stop();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    await Promise.all([first.stop(), second.stop()]);
    await writer.stop();
    await database.drop();
  });

  const open = async (service: ServiceProcess, query = '', lastEventId = '') => {
    const stream = await EventStreamClient.open(`${service.url}/api/events/stream${query}`, lastEventId);
    streams.push(stream);
    return stream;
  };

  const serve = async (listener: RequestListener) => {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };

  it('brings an event to readers on every replica within a second of its commit', async () => {
    const [here, there] = await Promise.all([open(first), open(second)]);
    const delays: number[] = [];

    for (let round = 0; round < 20; round += 1) {
      const { id } = await writer.write('inst-live');
      const committedAt = Date.now();
      for (const stream of [here, there]) {
        const event = await eventually(async () => stream.events.find(({ data }) => data.id === id));
        delays.push(event.at - committedAt);
      }
    }

    delays.sort((a, b) => a - b);
    expect(delays[Math.floor(delays.length * 0.95)]).toBeLessThanOrEqual(1000);
  });

  it('goes on at another replica without a gap and without a repetition', async () => {
    const before = await open(first);
    const early = [await writer.write('inst-move'), await writer.write('inst-move')];
    await eventually(async () => before.events.length === 2);
    before.stop();
    const missed = [await writer.write('inst-move'), await writer.write('inst-move')];

    const after = await open(second, '', before.lastEventId);
    const live = await writer.write('inst-move');

    await eventually(async () => after.events.length === 3);
    expect(before.ids).toEqual(early.map(({ id }) => id));
    expect(after.ids).toEqual([...missed, live].map(({ id }) => id));
  });

  it('knows its place before anything has happened, so that a reader who was cut off early misses nothing', async () => {
    const quiet = await open(first);
    quiet.stop();
    const event = await writer.write('inst-quiet');

    const again = await open(first, '', quiet.lastEventId);

    await eventually(async () => again.ids.includes(event.id));
    expect(again.ids).toEqual([event.id]);
  });

  it('reads far back from the log, with a filter, and joins what is live', async () => {
    const start = (await first.get<EventPage>('/api/events?limit=500')).body.nextCursor;
    for (let count = 0; count < 250; count += 1) {
      await writer.write('inst-many', { type: count % 50 === 0 ? 'instance.ready' : 'instance.exited' });
    }

    const stream = await open(first, `?types=instance.ready&after=${start}`);
    const live = await writer.write('inst-many', { type: 'instance.ready' });

    await eventually(async () => stream.ids.includes(live.id));
    expect(stream.events.map(({ data }) => data.sequence)).toEqual([1, 51, 101, 151, 201, 251]);
  });

  it('tells the same as the pages of the log', async () => {
    const stream = await open(second, `?after=${(await first.get<EventPage>('/api/events?limit=1')).body.nextCursor}`);
    const paged: string[] = [];
    let path = '/api/events?limit=100';
    for (;;) {
      const { body } = await first.get<EventPage>(path);
      paged.push(...body.events.map(({ id }) => id));
      if (!body.hasMore) break;
      path = `/api/events?limit=100&after=${body.nextCursor}`;
    }

    await eventually(async () => stream.events.length >= paged.length - 1);

    expect(stream.ids).toEqual(paged.slice(1));
  });

  it('goes on when the listening connection was cut in the database', async () => {
    const stream = await open(first);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%listener%'`,
    );
    await client.end();

    const event = await writer.write('inst-deaf');

    await eventually(async () => stream.ids.includes(event.id));
    expect(stream.hasEnded).toBe(false);
  });

  it.each([
    ['/api/events/stream?after=nonsense', 'after'],
    ['/api/events?after=MS45OTk5OTk5OTk5OTk5OS4w', 'after'],
    ['/api/events?types=instance.ready,instance.unheard', 'types'],
    ['/api/events?limit=0', 'limit'],
  ])('refuses %s and names the parameter', async (path, field) => {
    const { status, body } = await first.get<{ error: { code: string; details: { field: string } } }>(path);

    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'VALIDATION_ERROR', details: { field } });
  });

  it('goes on for the others when the very first reader leaves while the log is asked where it ends', async () => {
    const waiting: ServerResponse[] = [];
    const port = await serve((_request, response) => {
      waiting.push(response);
      const [leaving, staying] = waiting;
      if (leaving === undefined || staying === undefined) return;
      for (const one of [leaving, staying])
        void writer.get(EventStreams).open(one, { after: null, types: null }, ANONYMOUS);
      leaving.destroy();
    });
    const opened = await Promise.allSettled(
      ['/a', '/b'].map((path) => EventStreamClient.open(`http://127.0.0.1:${port}${path}`)),
    );
    const stayed = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    streams.push(...stayed);

    const { id } = await writer.write('inst-first');

    await eventually(async () => stayed.some(({ ids }) => ids.includes(id)));
    // Fed by the one look at the log that all share, and not by looks of its own without a pause.
    expect(writer.get(EventTail).position).not.toBeNull();
  });

  it('answers a HEAD at once', async () => {
    const answer = await fetch(`${first.url}/api/events/stream`, {
      method: 'HEAD',
      signal: AbortSignal.timeout(5_000),
    });

    expect(answer.status).toBeLessThan(500);
  });

  it('cuts off a reader who takes nothing, and nobody else', async () => {
    const cut = new Set<string>();
    const port = await serve((request, response) => {
      response.once('close', () => cut.add(String(request.url)));
      void writer.get(EventStreams).open(response, { after: null, types: null }, ANONYMOUS);
    });
    const healthy = await EventStreamClient.open(`http://127.0.0.1:${port}/healthy`);
    const stalled = connect({ host: '127.0.0.1', port }).on('error', () => undefined);
    stalled.write('GET /stalled HTTP/1.1\r\nHost: x\r\n\r\n');
    stalled.pause();

    // More than the kernel's buffers of both sides take.
    const data = { note: 'x'.repeat(100_000) };
    const written: string[] = [];
    for (let round = 0; round < 16; round += 1) {
      const names = Array.from({ length: 10 }, (_, index) => `inst-bulk-${index}`);
      const events = await Promise.all(names.map((name) => writer.write(name, { data })));
      written.push(...events.map(({ id }) => id));
    }

    await eventually(async () => cut.has('/stalled'), 30_000);
    await eventually(async () => written.every((id) => healthy.ids.includes(id)));
    expect([...cut]).toEqual(['/stalled']);
    healthy.stop();
    stalled.destroy();
  }, 60_000);

  it(`holds ${QUIET_READERS} quiet readers, and an event reaches all of them`, async () => {
    const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
    const readers: EventStreamClient[] = [];
    for (let count = 0; count < QUIET_READERS; count += 100) {
      const more = Array.from({ length: Math.min(100, QUIET_READERS - count) }, () =>
        EventStreamClient.open(`${first.url}/api/events/stream`, '', agent),
      );
      readers.push(...(await Promise.all(more)));
      proof.progress(`${readers.length} of ${QUIET_READERS} readers`);
    }
    streams.push(...readers);

    const { id } = await writer.write('inst-crowd');
    const committedAt = Date.now();

    await eventually(async () => readers.every((reader) => reader.ids.includes(id)), 60_000);
    const latest = Math.max(...readers.map(({ events }) => events.at(-1)?.at ?? 0));
    proof.result({ readers: QUIET_READERS, all_reached_ms: latest - committedAt });
    expect((await first.get('/api/events?limit=1')).status).toBe(200);
  }, 300_000);

  it('ends when its replica goes, so that the reader looks for another', async () => {
    const third = await ServiceProcess.start({
      ...QUICK,
      DATABASE_URL: database.url,
      NOVITA_SANDBOX: 'true',
      NOVITA_API_BASE_URL: 'http://127.0.0.1:9',
    });
    const stream = await open(third);
    const startedAt = Date.now();

    await third.stop('SIGTERM');

    expect(stream.hasEnded).toBe(true);
    expect(third.child.exitCode).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(9_000);
  });
});
