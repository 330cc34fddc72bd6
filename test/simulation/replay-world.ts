import type { InstanceOrder } from '../../src/instances/domain/new-instance.js';
import { loadSettings, type Settings } from '../../src/platform/config.js';
import type { MachineStatus } from '../../src/novita/novita-client.js';
import { SeededRandom } from '../fakes/seeded-random.js';
import { Fleet } from './fleet.js';

/** One digit for each interval: whether a spot machine could be had in it. */
export interface RecordedZone {
  readonly gapSeconds: number;
  readonly available: string;
}

export interface Market {
  readonly name: string;
  readonly protectedMs: number;
  readonly noticeMs: number;
}

export type Plan = 'migrate' | 'replace' | 'on-demand';

export interface ReplayOutcome {
  /** Parts of the replayed time, from when the first machine ran. */
  readonly running: number;
  readonly cost: number;
  readonly moves: number;
  readonly mostAtOnce: number;
  readonly violations: readonly string[];
}

const BOOT_MS = 180_000;
const SPOT_PRICE = 0.2;
const ON_DEMAND_PRICE = 0.5;
const SETTLE_MS = 3_600_000;
const UNBILLED: readonly MachineStatus[] = ['creating', 'exited', 'removing', 'removed'];

const SETTINGS: Settings = loadSettings({
  DATABASE_URL: 'postgresql://nowhere/none',
  NOVITA_API_KEY: 'none',
  DEPLOYMENT_ID: 'sim',
  NOVITA_REQUESTS_PER_MINUTE: '600',
  FALLBACK_REGIONS: 'REGION-B',
  // Who replays weeks of a market waits for it: by default a recovery without stock ends after ten minutes.
  QUEUE_TIMEOUT_SECONDS: '86400',
});

/**
 * One instance through weeks of recorded availability: what could be had in zone `a` and `b` decides which purchases, starts and
 * migrations are refused, and takes the machines of a zone away when nothing is to be had there any more.
 */
export class ReplayWorld {
  private readonly fleet: Fleet;
  private readonly available = new Map<string, boolean>();
  private readonly protectedUntil = new Map<string, number>();
  private lookedAtMs = 0;
  private runningMs = 0;
  private cost = 0;
  private mostAtOnce = 0;

  constructor(
    private readonly plan: Plan,
    private readonly market: Market,
    private readonly zones: Readonly<Record<'cluster-a' | 'cluster-b', RecordedZone>>,
    private readonly lastsMs: number,
  ) {
    this.fleet = new Fleet(new SeededRandom(1), { settings: SETTINGS, observeEveryMs: 2000 });
  }

  async run(): Promise<ReplayOutcome> {
    const { fleet } = this;
    const { scheduler, upstream, judge } = fleet;
    fleet.slowWakes = 0;
    upstream.bootMs = BOOT_MS;
    upstream.hasSpot = (clusterId) => this.available.get(clusterId) ?? false;
    const startsAt = firstOf(this.zones['cluster-a']);
    for (const [clusterId, zone] of Object.entries(this.zones)) this.follow(clusterId, zone, startsAt);
    await fleet.runUntil(scheduler.nowMs + 1000);
    fleet.boot();
    fleet.request((service) => service.request(this.order(), { teamId: 'team', actor: 'key' }), 'order');
    await fleet.runUntil(scheduler.nowMs + SETTLE_MS, () => fleet.isRunning());
    this.lookedAtMs = scheduler.nowMs;
    const endsAt = scheduler.nowMs + this.lastsMs;
    await fleet.runUntil(endsAt, () => {
      this.look();
      return false;
    });
    const attempts = [...fleet.database.attempts.values()];
    return {
      running: this.runningMs / this.lastsMs,
      cost: this.cost / ((this.lastsMs / 3_600_000) * ON_DEMAND_PRICE),
      moves: attempts.filter(({ state }) => state === 'migrated').length,
      mostAtOnce: this.mostAtOnce,
      violations: judge.violations,
    };
  }

  private order(): InstanceOrder {
    return {
      name: 'machine',
      productName: 'GPU',
      templateId: 'template',
      gpuNum: 1,
      rootfsSizeGb: 50,
      region: 'REGION-A',
      webhookUrl: null,
      billingMode: this.plan === 'on-demand' ? 'onDemand' : 'spot',
      spotPolicy: this.plan === 'on-demand' ? 'none' : this.plan,
      fallbackToOnDemand: false,
      labels: {},
      readiness: null,
    };
  }

  private follow(clusterId: string, { gapSeconds, available }: RecordedZone, startsAt: number): void {
    const { scheduler } = this.fleet;
    const digits = available.slice(startsAt, startsAt + Math.ceil(this.lastsMs / (gapSeconds * 1000)) + 12);
    [...digits].forEach((digit, index) => {
      const isAvailable = digit === '1';
      if (index > 0 && digit === digits[index - 1]) return;
      scheduler.after(index * gapSeconds * 1000, null, `${clusterId} ${digit}`, () => {
        this.available.set(clusterId, isAvailable);
        if (!isAvailable) this.takeAway(clusterId);
      });
    });
  }

  /** A protected machine is looked at again when its protection ends. */
  private takeAway(clusterId: string): void {
    const { upstream, scheduler } = this.fleet;
    if (this.available.get(clusterId) === true) return;
    const { protectedMs, noticeMs } = this.market;
    for (const machine of this.fleet.ownMachines()) {
      if (machine.isRemoved) continue;
      if (machine.clusterId !== clusterId || machine.spotStatus !== '' || machine.billingMode !== 'spot') continue;
      const endsAt = machine.createdAtMs + protectedMs;
      if (endsAt > scheduler.nowMs) {
        if (this.protectedUntil.get(machine.id) === endsAt) continue;
        this.protectedUntil.set(machine.id, endsAt);
        scheduler.after(endsAt - scheduler.nowMs, null, `end of protection of ${machine.id}`, () =>
          this.takeAway(clusterId),
        );
      } else if (noticeMs > 0 && machine.status === 'running') upstream.announce(machine.id, noticeMs);
      else upstream.reclaim(machine.id);
    }
  }

  private look(): void {
    const { fleet } = this;
    const { nowMs } = fleet.scheduler;
    const passed = nowMs - this.lookedAtMs;
    if (passed === 0) return;
    this.lookedAtMs = nowMs;
    const machines = fleet.ownMachines().filter(({ isRemoved }) => !isRemoved);
    this.mostAtOnce = Math.max(this.mostAtOnce, machines.length);
    if (fleet.isRunning()) this.runningMs += passed;
    for (const { status, billingMode } of machines)
      if (!UNBILLED.includes(status))
        this.cost += (passed / 3_600_000) * (billingMode === 'spot' ? SPOT_PRICE : ON_DEMAND_PRICE);
  }
}

function firstOf({ available }: RecordedZone): number {
  return Math.max(0, available.indexOf('1'));
}
