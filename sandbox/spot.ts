import type { Agenda } from './clock.ts';
import type { Fleet } from './fleet.ts';
import type { Machine } from './machine.ts';
import { holdsGpu } from './machine.ts';
import { Refusal } from './refusal.ts';
import type { Settings } from './settings.ts';
import type { Place, StockRule } from './stock.ts';
import { covers, placeOf } from './stock.ts';

export interface Schedule {
  clusterId: string;
  productId?: string;
  /** `t`: seconds from now; `count`: spot machines that can exist from then on. */
  points: readonly { t: number; count: number }[];
  /** Overrides the configured notice; 0 reclaims at once. */
  noticeSeconds?: number;
}

/** Takes spot machines away: a protected time, a notice, the reclaim. */
export class SpotMarket {
  private readonly fleet: Fleet;
  private readonly agenda: Agenda;
  private readonly settings: Settings;

  constructor(fleet: Fleet, agenda: Agenda, settings: Settings) {
    this.fleet = fleet;
    this.agenda = agenda;
    this.settings = settings;
  }

  /** `hidden` shows "0" as reclaim time, a combination that was seen in the wild. */
  notify(machine: Machine, inSeconds: number, at: number, hidden = false): void {
    refuseUnlessSpot(machine);
    const reclaimAt = Math.ceil(at / 1000 + inSeconds);
    machine.spotStatus = 'notified';
    machine.spotReclaimTime = reclaimAt;
    machine.hidesReclaimTime = hidden;
    this.fleet.changed(machine);
    this.agenda.at(reclaimAt * 1000, (due) => {
      // A stop, a start or a delete in between has made the notice void.
      const isStillDue = machine.spotStatus === 'notified' && machine.spotReclaimTime === reclaimAt;
      if (isStillDue && this.fleet.machines.has(machine.id)) this.reclaim(machine, due);
    });
  }

  reclaim(machine: Machine, at: number): void {
    refuseUnlessSpot(machine);
    machine.spotStatus = 'reclaiming';
    if (machine.spotReclaimTime === 0) machine.spotReclaimTime = Math.floor(at / 1000);
    this.fleet.changed(machine);
    const plan = ++machine.plan;
    this.agenda.at(at + this.fleet.durationMs('reclaiming'), (due) => {
      if (machine.plan !== plan) return;
      machine.spotStatus = 'terminated';
      this.fleet.walk(machine, [['exited']], due);
    });
  }

  /** Follows a recorded availability: a new limit at every point, and too many machines are given notice. */
  follow({ clusterId, productId, points, noticeSeconds }: Schedule, at: number): void {
    const place: Partial<Place> = { clusterId, billingMode: 'spot', ...(productId === undefined ? {} : { productId }) };
    for (const { t, count } of points) {
      this.agenda.at(at + t * 1000, (due) => {
        this.fleet.stock.setLimit(place, count);
        this.takeExcess({ ...place, count }, noticeSeconds ?? this.settings.noticeSeconds, due);
      });
    }
  }

  /** Oldest first. Protected machines are spared, and looked at again when their protection ends. */
  private takeExcess(limit: StockRule, noticeSeconds: number, at: number): void {
    if (this.fleet.stock.excess(limit) <= 0) return;
    const held = this.heldUnder(limit);
    const leaving = held.filter((machine) => machine.spotStatus !== 'running').length;
    let excess = held.length - leaving - limit.count;
    if (excess <= 0) return;
    const staying = held.filter((machine) => machine.spotStatus === 'running');
    for (const machine of staying.filter((candidate) => candidate.protectedUntil <= at).slice(0, excess)) {
      excess -= 1;
      if (noticeSeconds > 0) this.notify(machine, noticeSeconds, at);
      else this.reclaim(machine, at);
    }
    if (excess > 0)
      this.lookAgain(
        limit,
        noticeSeconds,
        Math.min(...staying.map((machine) => machine.protectedUntil).filter((until) => until > at)),
      );
  }

  private lookAgain(limit: StockRule, noticeSeconds: number, at: number): void {
    if (!Number.isFinite(at)) return;
    this.agenda.at(at, (due) => {
      const current = this.fleet.stock.currentLimits().find((candidate) => isSamePlace(candidate, limit));
      if (current?.count === limit.count) this.takeExcess(limit, noticeSeconds, due);
    });
  }

  private heldUnder(limit: StockRule): Machine[] {
    return [...this.fleet.machines.values()].filter(
      (machine) => holdsGpu(machine.status) && covers(limit, placeOf(machine)),
    );
  }
}

function isSamePlace(a: StockRule, b: StockRule): boolean {
  return a.clusterId === b.clusterId && a.productId === b.productId;
}

function refuseUnlessSpot(machine: Machine): void {
  if (machine.order.billingMode !== 'spot') throw new Refusal(400, 'UNSUPPORTED_BILLING_MODE', 'not a spot instance');
}
