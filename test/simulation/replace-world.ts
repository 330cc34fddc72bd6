import type { InstanceOrder } from '../../src/instances/domain/new-instance.js';
import { OVERLAP_USED } from '../../src/lifecycle/domain/decide-handover.js';
import { loadSettings, type Settings } from '../../src/platform/config.js';
import type { UpstreamMachine } from '../fakes/fake-upstream.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { Fleet } from './fleet.js';

/** What a hand-over may take beyond notice and boot: seeing the notice, buying, seeing that the machine runs. */
const SLACK_MS = 15_000;
/** A replica that died in the middle: another one goes on within a minute; a create whose answer was lost is first proven absent. */
const TAKEN_OVER_WITHIN_MS = 100_000;
/** How long a region that was sold out is left alone, and the pause between two looks for stock. */
const SOLD_OUT_MS = 20_000 + 15_000;
const LONGEST_MS = 3_600_000;
const STEPS_OF_A_HANDOVER = 150;

export const TROUBLES = ['none', 'every migrate refused', 'no stock', 'a crash at some step'] as const;
type Trouble = (typeof TROUBLES)[number];

const SETTINGS: Settings = loadSettings({
  DATABASE_URL: 'postgresql://nowhere/none',
  NOVITA_API_KEY: 'none',
  DEPLOYMENT_ID: 'sim',
  NOVITA_REQUESTS_PER_MINUTE: '600',
  NOVITA_TIMEOUT_SECONDS: '4',
  NOVITA_CREATE_TIMEOUT_SECONDS: '8',
  STOCK_OUT_MEMORY_SECONDS: '20',
});

const ORDER: InstanceOrder = {
  name: 'machine',
  productName: 'GPU',
  templateId: 'template',
  gpuNum: 1,
  rootfsSizeGb: 50,
  region: 'REGION-A',
  webhookUrl: null,
  billingMode: 'spot',
  spotPolicy: 'replace',
  fallbackToOnDemand: false,
  labels: {},
  readiness: null,
};

/** Times in milliseconds of the world's clock. */
export interface ReplaceOutcome {
  readonly seed: number;
  readonly trouble: Trouble;
  readonly noticeMs: number;
  readonly bootMs: number;
  /** For how long no machine of the instance ran. */
  readonly gapMs: number;
  readonly allowedGapMs: number;
  /** For how long two machines of the instance billed at a stretch. */
  readonly overlapMs: number;
  readonly allowedOverlapMs: number;
  readonly mostAtOnce: number;
  readonly violations: readonly string[];
  readonly lastSteps: readonly string[];
  readonly rows: readonly string[];
}

/** One spot machine under `replace` that is announced to be taken back after `noticeMs`, where a new one boots in `bootMs`. */
export class ReplaceWorld {
  private readonly random: SeededRandom;
  private readonly fleet: Fleet;
  private readonly trouble: Trouble;
  private readonly noticeMs: number;
  private readonly bootMs: number;
  private readonly stockBackAfterMs: number;
  private mostAtOnce = 0;
  private gapMs = 0;
  private lookedAtMs = 0;
  private wasRunning = true;

  constructor(private readonly seed: number) {
    const random = new SeededRandom(seed);
    this.random = random;
    this.trouble = random.pick(TROUBLES);
    this.bootMs = random.chance(0.8) ? random.between(3000, 240_000) : random.between(240_000, 540_000);
    this.noticeMs = random.chance(0.5)
      ? random.between(1000, random.pick([400_000, 1_500_000]))
      : Math.max(1000, this.bootMs + random.between(-30_000, 60_000));
    this.stockBackAfterMs = this.trouble === 'no stock' ? random.between(1000, 400_000) : 0;
    this.fleet = new Fleet(random, { settings: SETTINGS, looseTransactions: random.pick([0, 0.2]) });
  }

  async run(): Promise<ReplaceOutcome> {
    const { fleet } = this;
    const { scheduler, judge } = fleet;
    fleet.upstream.bootMs = this.bootMs;
    fleet.slowWakes = 0;
    fleet.boot();
    if (this.random.chance(0.5)) fleet.boot();
    fleet.request((service) => service.request(ORDER, { teamId: 'team', actor: 'key' }), 'order');
    const former = await this.untilRunning();
    if (former === null) judge.report('the first machine did not come up');
    else await this.takeBack(former);
    if (judge.violations.length === 0) {
      // What is left over is removed, and nothing else happens to what runs.
      await fleet.runUntil(scheduler.nowMs + 120_000);
      const unsettled = judge.whatIsUnsettled();
      if (unsettled !== null) judge.report(unsettled);
    }
    return this.describe();
  }

  private async takeBack(former: UpstreamMachine): Promise<void> {
    const { fleet, random } = this;
    const { scheduler, upstream } = fleet;
    await fleet.runUntil(scheduler.nowMs + random.between(0, 60_000));
    this.plantTrouble();
    this.lookedAtMs = scheduler.nowMs;
    scheduler.note('upstream', `notice ${former.id}`);
    upstream.announce(former.id, this.noticeMs);
    const isOver = () => {
      this.look();
      return former.isRemoved && fleet.isRunning();
    };
    await fleet.runUntil(scheduler.nowMs + LONGEST_MS, isOver);
    if (!fleet.isRunning()) fleet.judge.report('the instance does not run again');
  }

  private plantTrouble(): void {
    const { fleet, random } = this;
    const { scheduler, upstream } = fleet;
    if (this.trouble === 'every migrate refused') upstream.faults.migrateRefused = 1;
    if (this.trouble === 'no stock') {
      upstream.faults.noCapacity = 1;
      scheduler.after(this.stockBackAfterMs, null, 'stock is back', () => (upstream.faults.noCapacity = 0));
    }
    if (this.trouble === 'a crash at some step')
      fleet.killAtStep(1 + random.below(STEPS_OF_A_HANDOVER), random.between(100, 10_000));
  }

  private async untilRunning(): Promise<UpstreamMachine | null> {
    const { fleet } = this;
    await fleet.runUntil(fleet.scheduler.nowMs + this.bootMs + 120_000, () => fleet.isRunning());
    return fleet.ownMachines()[0] ?? null;
  }

  /** Time in which the machine that the instance names did not run is a gap. */
  private look(): void {
    const { fleet } = this;
    const { nowMs } = fleet.scheduler;
    if (!this.wasRunning) this.gapMs += nowMs - this.lookedAtMs;
    this.wasRunning = fleet.isRunning();
    this.lookedAtMs = nowMs;
    this.mostAtOnce = Math.max(this.mostAtOnce, fleet.ownMachines().filter(({ isRemoved }) => !isRemoved).length);
  }

  private describe(): ReplaceOutcome {
    const { fleet, seed, trouble, noticeMs, bootMs } = this;
    const { violations } = fleet.judge;
    const { handoverMaxOverlapMs } = SETTINGS;
    const usableMs = Math.min(noticeMs, OVERLAP_USED * handoverMaxOverlapMs);
    const crashMs = trouble === 'a crash at some step' ? TAKEN_OVER_WITHIN_MS : 0;
    const stockMs = trouble === 'no stock' ? this.stockBackAfterMs + SOLD_OUT_MS : 0;
    return {
      seed,
      trouble,
      noticeMs,
      bootMs,
      gapMs: this.gapMs,
      allowedGapMs: Math.max(0, bootMs - usableMs + SLACK_MS + crashMs + stockMs),
      overlapMs: overlapOf(fleet.ownMachines()),
      allowedOverlapMs: handoverMaxOverlapMs,
      mostAtOnce: this.mostAtOnce,
      violations,
      lastSteps: fleet.describeSteps(),
      rows: fleet.describeRows(),
    };
  }
}

/** A machine bills from its image pull on until it is removed. */
function overlapOf(machines: readonly UpstreamMachine[]): number {
  const marks = machines
    .flatMap(({ billedFromMs, removedAtMs }) =>
      billedFromMs === null
        ? []
        : [
            { at: billedFromMs, step: 1 },
            { at: removedAtMs ?? Infinity, step: -1 },
          ],
    )
    .toSorted((a, b) => a.at - b.at || a.step - b.step);
  let count = 0;
  let since = 0;
  let longest = 0;
  for (const { at, step } of marks) {
    if (count === 2 && step < 0) longest = Math.max(longest, at - since);
    count += step;
    if (count === 2 && step > 0) since = at;
  }
  return longest;
}
