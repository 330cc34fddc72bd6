import type { SpotPolicy } from '../../src/instances/domain/instance.js';
import type { InstanceOrder } from '../../src/instances/domain/new-instance.js';
import { loadSettings, type Settings } from '../../src/platform/config.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { Fleet } from './fleet.js';

const MACHINES = 6;
/** Everything comes up within this. */
const UP_WITHIN_MS = 600_000;
/** Long after the bound, so that a late answer is measured too. */
const FOLLOWED_FOR_MS = 60_000;

/** The defaults, the poll of ten seconds among them. */
const SETTINGS: Settings = loadSettings({
  DATABASE_URL: 'postgresql://nowhere/none',
  NOVITA_API_KEY: 'none',
  DEPLOYMENT_ID: 'sim',
});

export interface Reaction {
  readonly what: 'loss' | 'notice';
  /** From the moment at which the upstream shows it to the first call that is about it; null: none came. */
  readonly afterMs: number | null;
}

/** Machines that are taken back, or announced to be, one after the other: how long until something is done about each. */
export class ReactionWorld {
  private readonly random: SeededRandom;
  private readonly fleet: Fleet;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.fleet = new Fleet(this.random, { settings: SETTINGS });
    this.fleet.slowWakes = 0;
  }

  async run(): Promise<{ readonly reactions: readonly Reaction[]; readonly violations: readonly string[] }> {
    const { fleet, random } = this;
    fleet.boot();
    if (random.chance(0.5)) fleet.boot();
    for (let index = 0; index < MACHINES; index += 1) this.order(index % 2 === 0 ? 'migrate' : 'replace');
    await fleet.runUntil(fleet.scheduler.nowMs + UP_WITHIN_MS, () => this.areAllRunning());
    const reactions: Reaction[] = [];
    for (const [id, { spotPolicy }] of [...fleet.database.instances]) {
      await fleet.runUntil(fleet.scheduler.nowMs + random.between(30_000, 90_000));
      reactions.push(await this.upset(id, spotPolicy));
    }
    return { reactions, violations: fleet.judge.violations };
  }

  private order(spotPolicy: SpotPolicy): void {
    const order: InstanceOrder = {
      name: 'machine',
      productName: 'GPU',
      templateId: 'template',
      gpuNum: 1,
      rootfsSizeGb: 50,
      region: 'REGION-A',
      webhookUrl: null,
      billingMode: 'spot',
      spotPolicy,
      fallbackToOnDemand: false,
      labels: {},
      readiness: null,
    };
    this.fleet.request((service) => service.request(order, { teamId: 'team', actor: 'key' }), 'order');
  }

  private areAllRunning(): boolean {
    const { instances } = this.fleet.database;
    return instances.size === MACHINES && [...instances.values()].every(({ phase }) => phase === 'running');
  }

  /** What `migrate` answers is a loss; what `replace` answers is the notice. */
  private async upset(instanceId: string, policy: SpotPolicy): Promise<Reaction> {
    const { scheduler, upstream, database } = this.fleet;
    const placementId = database.instances.get(instanceId)?.currentPlacementId ?? '';
    const novitaId = database.placements.get(placementId)?.novitaId ?? '';
    const shownAt = scheduler.nowMs;
    if (policy === 'replace') upstream.announce(novitaId, 3_600_000);
    else upstream.reclaim(novitaId);
    let reactedAt: number | null = null;
    const isAboutIt = (label: string) => {
      const [call = '', subject = ''] = label.split(' ');
      if (['get', 'start', 'migrate'].includes(call)) return subject === novitaId;
      return call === 'create' && this.isOf(instanceId, subject);
    };
    await this.fleet.runUntil(shownAt + FOLLOWED_FOR_MS, () => {
      if (isAboutIt(scheduler.trace.at(-1)?.label ?? '')) reactedAt = scheduler.nowMs;
      return reactedAt !== null;
    });
    const what = policy === 'replace' ? 'notice' : 'loss';
    return { what, afterMs: reactedAt === null ? null : reactedAt - shownAt };
  }

  private isOf(instanceId: string, uniqueName: string): boolean {
    return this.fleet.database.placementsOf(instanceId).some((placement) => placement.uniqueName === uniqueName);
  }
}
