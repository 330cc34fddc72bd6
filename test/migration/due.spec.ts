import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { aSpotInstance, aSpotMachine, at } from '../builders/a-spot-instance.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import type { Instance } from '../../src/instances/domain/instance.js';
import { isReclaimAnnounced, type Placement } from '../../src/instances/domain/placement.js';
import { ConnectionVault } from '../../src/instances/connection-vault.js';
import { InstancesRepository } from '../../src/instances/instances.repository.js';
import { PlacementsRepository } from '../../src/instances/placements.repository.js';
import { ExecutionsRepository } from '../../src/migration/executions.repository.js';
import { loadSettings } from '../../src/platform/config.js';
import { PrismaService } from '../../src/platform/database/prisma.service.js';
import { SecretBox } from '../../src/platform/secrets/secret-box.js';
import { SecretKeyRepository } from '../../src/platform/secrets/secret-key.repository.js';

const NOTICE = { seenSpotStatus: 'notified' } as const;

describe('what the migration finds due in the rows', () => {
  let database: TestDatabase;
  let prisma: PrismaService;
  let instances: InstancesRepository;

  beforeAll(async () => {
    database = await createTestDatabase();
    const settings = loadSettings({ DATABASE_URL: database.url, NOVITA_API_KEY: 'none' });
    prisma = new PrismaService(settings);
    const vault = new ConnectionVault(new SecretBox(settings, new SecretKeyRepository(prisma)));
    instances = new InstancesRepository(prisma, vault);
  });

  beforeEach(async () => {
    await prisma.placement.deleteMany();
    await prisma.instance.deleteMany();
  });

  afterAll(async () => {
    await prisma.onApplicationShutdown();
    await database.drop();
  });

  it.each<[string, Partial<Placement>, Partial<Instance>, boolean]>([
    ['a notice that nobody took up', { ...NOTICE, seenReclaimAt: at(3600) }, {}, true],
    ['a notice without a time', NOTICE, {}, true],
    ['a notice that is known', NOTICE, { noticePlacementId: 'plc-a' }, false],
    ['a notice from before it ran', { ...NOTICE, seenReclaimAt: at(-3600) }, {}, false],
    ['a notice of an on-demand machine', { ...NOTICE, billingMode: 'onDemand' }, {}, false],
    ['a notice of a machine on its way down', { ...NOTICE, seenStatus: 'stopping' }, {}, false],
    ['a notice of a machine in a status that nobody knows', { ...NOTICE, seenStatus: 'other' }, {}, false],
    ['a machine that runs', {}, {}, false],
  ])('%s', async (_text, seen, known, isDue) => {
    const placement = aSpotMachine(seen);
    const instance = aSpotInstance({
      phase: 'running',
      phaseSince: at(-60),
      nextCheckAt: null,
      currentPlacementId: placement.id,
      ...known,
    });
    await instances.insert(instance, prisma);
    await new PlacementsRepository(prisma).insert(placement, prisma);

    const due = await new ExecutionsRepository(prisma).listDue(at(0), 10);

    expect(due.map(({ instanceId }) => instanceId)).toEqual(isDue ? [instance.id] : []);
    // The rule in SQL and the one in code are the same rule.
    expect(isReclaimAnnounced(placement, instance.phaseSince) && instance.noticePlacementId === null).toBe(isDue);
  });
});
