import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { AddressGuard } from '../../src/webhooks/address-guard.js';
import { DeliveriesRepository } from '../../src/webhooks/deliveries.repository.js';
import { targetPolicy } from '../../src/webhooks/domain/target-policy.js';
import { WebhooksService } from '../../src/webhooks/webhooks.service.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LogReplica, TEAM } from '../support/log-replica.js';
import { eventually } from '../support/world.js';

interface Told {
  result: string;
  id: string;
}

const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const EXAMPLES = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
const hasPython = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
const RECEIVERS: [string, string, string][] = [
  ['Node', process.execPath, 'receiver.mjs'],
  ...(hasPython ? ([['Python', 'python3', 'receiver.py']] as [string, string, string][]) : []),
];

describe('the receivers of the documentation', () => {
  let database: TestDatabase;
  let replica: LogReplica;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    replica = await LogReplica.start({ databaseUrl: database.url, env: { WEBHOOK_SECRET: SECRET } });
  });

  afterAll(async () => {
    for (const child of children) child.kill();
    await replica.stop();
    await database.drop();
  });

  const start = async (program: string, file: string, secret: string) => {
    const child = spawn(program, [EXAMPLES + file], {
      env: { PATH: process.env['PATH'], WEBHOOK_SECRET: secret, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const told: Told[] = [];
    const port = await new Promise<number>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const said = JSON.parse(line) as Told & { listening?: number };
        if (said.listening === undefined) told.push(said);
        else resolve(said.listening);
      });
    });
    replica.get(AddressGuard).usePolicy(targetPolicy({ allowedHosts: `127.0.0.1:${port}` }));
    return { url: `http://127.0.0.1:${port}/`, told };
  };

  it.each(RECEIVERS)('in %s verify, drop repetitions and ignore what is outdated', async (name, program, file) => {
    const { url, told } = await start(program, file, SECRET);
    const [first, second] = [
      await replica.write(`inst-${name}`, { webhookUrl: url }),
      await replica.write(`inst-${name}`, { webhookUrl: url }),
    ];
    await eventually(async () => told.length === 2);

    await eventually(async () => {
      const filter = { teamId: TEAM, instanceId: `inst-${name}`, status: 'delivered' as const };
      return (await replica.get(DeliveriesRepository).list(filter, { limit: 10, offset: 0 })).length === 2;
    });
    await replica
      .get(UnitOfWork)
      .run((tx) =>
        replica.get(DeliveriesRepository).redeliver({ teamId: TEAM, instanceId: `inst-${name}` }, new Date(), 10, tx),
      );
    await eventually(async () => told.length === 4);
    const forged = await fetch(url, {
      method: 'POST',
      body: first.body,
      headers: {
        'webhook-id': 'evt_x',
        'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
        'webhook-signature': 'v1,eHh4',
      },
    });

    expect(told.map(({ result, id }) => [result, id])).toEqual([
      ['handled', first.id],
      ['handled', second.id],
      ['repeated', first.id],
      ['repeated', second.id],
    ]);
    expect(forged.status).toBe(400);
  });

  it.each(RECEIVERS)(
    'in %s take the secret of a subscription, also of one whose secret is being rotated',
    async (name, program, file) => {
      const webhooks = replica.get(WebhooksService);
      const caller = { teamId: `team-${name}`, actor: 'test' };
      const wish = { url: 'https://1.1.1.1/', eventTypes: [], enabled: false, headers: {} };
      const { endpoint, secret } = await webhooks.subscribe(wish, caller);
      const { url, told } = await start(program, file, secret);

      await webhooks.rotateSecret(endpoint.id, caller);
      await webhooks.change(endpoint.id, { url, enabled: true }, caller);
      const event = await replica.write(`inst-rotated-${name}`, { teamId: caller.teamId });

      await eventually(async () => told.length === 1);
      expect(told).toMatchObject([{ result: 'handled', id: event.id }]);
    },
  );
});
