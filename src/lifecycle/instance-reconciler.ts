import { Injectable, Logger } from '@nestjs/common';
import type { Change } from '../instances/domain/change.js';
import type { Instance } from '../instances/domain/instance.js';
import type { Placement } from '../instances/domain/placement.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { migrateInstance, reconcileInstance } from '../instances/instances.jobs.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { addMs, Clock, earliest } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { HandlesJob } from '../platform/jobs/handles-job.js';
import { inSpan } from '../platform/telemetry/spans.js';
import { workSignals } from '../platform/telemetry/work-signals.js';
import { Jobs } from '../platform/jobs/jobs.service.js';
import { PricingService } from '../pricing/pricing.service.js';
import {
  abandoned,
  bought,
  deleted,
  explained,
  failed,
  lost,
  progressed,
  requeued,
  restartFailed,
  restartFollowed,
  restartSeen,
  stopped,
  stoppedAgain,
} from './domain/changes.js';
import { decideStep, type Facts, type Step } from './domain/decide-step.js';
import { yielded } from './domain/handover-changes.js';
import { type Limits, limitsOf } from './domain/limits.js';
import { buyingEndsAt } from './domain/purchase-times.js';
import { type Reason, RESTART_UNCONFIRMED } from './domain/reason.js';
import { MachineBuyer } from './machine-buyer.js';
import { Handover } from './handover.js';
import { MachineOperator } from './machine-operator.js';
import { SweepRepository } from './sweep.repository.js';

/** A row that wants more steps than this in one go is looked at again by the next sweep. */
const MAX_STEPS = 8;

/** Brings one instance nearer to what is wanted: read, decide, act, record, until there is nothing to do but wait. */
@Injectable()
export class InstanceReconciler {
  private readonly logger = new Logger(InstanceReconciler.name);
  private readonly limits: Limits;

  constructor(
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly sweeps: SweepRepository,
    private readonly recorder: InstanceRecorder,
    private readonly buyer: MachineBuyer,
    private readonly operator: MachineOperator,
    private readonly handover: Handover,
    private readonly jobs: Jobs,
    private readonly pricing: PricingService,
    private readonly clock: Clock,
    settings: Settings,
  ) {
    this.limits = limitsOf(settings);
  }

  @HandlesJob(reconcileInstance)
  async reconcile({ instanceId }: { instanceId: string }): Promise<void> {
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const facts = await this.read(instanceId);
      if (facts === null || !(await this.takeStep(facts))) return;
    }
  }

  /**
   * The placements come last: a machine that was bought after the instance was read then costs only a refused write, where one
   * that the instance names and the list lacks would look lost. And no listing may count that they do not show yet.
   */
  private async read(instanceId: string): Promise<Facts | null> {
    const [instance, sweptAt] = await Promise.all([this.instances.find(instanceId), this.sweeps.latestCompleteStart()]);
    return instance && { instance, placements: await this.placements.listOf(instanceId), sweptAt };
  }

  /** True when something was recorded, so that it is worth looking again at once. */
  private async takeStep(facts: Facts): Promise<boolean> {
    const { instance } = facts;
    const now = this.clock.now();
    const step = decideStep(facts, now, this.limits);
    if (step.kind !== 'wait')
      this.logger.debug({ instanceId: instance.id, phase: instance.phase, step: step.kind }, 'next step');
    return this.report(step, () => this.carryOut(step, facts, now));
  }

  private async report(step: Step, work: () => Promise<boolean>): Promise<boolean> {
    try {
      const isProgress = await inSpan(`step ${step.kind}`, { kind: 'internal' }, work);
      workSignals.stepTaken.tell({ step: step.kind, outcome: isProgress ? 'progressed' : 'rested' });
      return isProgress;
    } catch (error) {
      workSignals.stepTaken.tell({ step: step.kind, outcome: 'failed' });
      throw error;
    }
  }

  private async carryOut(step: Step, { instance, placements }: Facts, now: Date): Promise<boolean> {
    switch (step.kind) {
      case 'wait':
        await this.waitUntil(instance, step.until);
        return false;
      case 'buy':
        return this.buyer.buy(instance, placements, now);
      case 'look-up':
        return this.buyer.lookUp(instance, step.placement, now);
      case 'inspect':
        return this.operator.inspect(instance, step.placement, step.novitaId, now);
      case 'call':
        return this.operator.call(instance, step, now);
      case 'verify-gone':
        return this.operator.verifyGone(instance, step.placement, step.novitaId, now);
      case 'abandon':
        return this.abandon(instance, step.placement, now);
      case 'confirm':
        return this.record(bought(instance, step.placement, now, this.limits));
      case 'advance':
        return this.record(progressed(instance, step.phase, now));
      case 'finish-stop':
        return this.record(stopped(instance, now, this.limits));
      case 'stop-again':
        return this.record(stoppedAgain(instance, now, this.limits));
      case 'lose':
        return this.record(lost(instance, step.reason, now));
      case 'requeue':
        return this.requeue(instance, step.placement, step.reason, now);
      case 'confirm-restart':
        return this.record(restartSeen(instance, now, this.limits));
      case 'give-up-restart':
        return this.record(restartFailed(instance, RESTART_UNCONFIRMED, now, this.limits));
      case 'follow-restart':
        return this.record(restartFollowed(instance, now, this.limits));
      case 'fail':
        return this.record(failed(instance, placements, step.reason, now));
      case 'finish-delete':
        return this.record(deleted(instance, now));
      case 'explain':
        return this.record(explained(instance, step.reason, now));
      case 'hand-on':
        await this.jobs.enqueueAll(migrateInstance, [{ instanceId: instance.id }]);
        return false;
      case 'buy-successor':
        return this.handover.buy(instance, placements, now);
      case 'look-up-successor':
        return this.handover.lookUp(instance, step.successor, now);
      case 'confirm-successor':
        return this.handover.confirm(instance, step.successor, now);
      case 'inspect-successor':
        return this.handover.inspect(instance, step, now);
      case 'drop-successor':
        return this.handover.drop(instance, step.successor, placements, step.reason, now);
      case 'yield-to-successor':
        return this.record(yielded(instance, step.predecessor, step.successor, now, this.limits));
    }
  }

  private async abandon(instance: Instance, placement: Placement, now: Date): Promise<boolean> {
    const answer = await this.buyer.lookLast(placement);
    if (answer === 'absent') return this.record(abandoned(instance, placement, now));
    if (answer === 'found') return true;
    await this.waitUntil(instance, earliest(addMs(now, this.limits.pollMs), buyingEndsAt(instance, this.limits)));
    return false;
  }

  /** A place that had no machine after all is remembered, so that the next try begins elsewhere. */
  private async requeue(instance: Instance, placement: Placement, reason: Reason, now: Date): Promise<boolean> {
    const change = requeued(instance, placement, reason, now, this.limits);
    if (reason.code !== 'NO_CAPACITY') return this.record(change);
    return this.record({ ...change, alongside: (tx) => this.pricing.rememberStockOut(placement, now, tx) });
  }

  /** Recorded or overtaken by a fresher writer: both are worth another look. */
  private async record(change: Change): Promise<boolean> {
    await this.recorder.record(change);
    return true;
  }

  /**
   * Leaves the row alone when it already knows when to look again: a wait must not cost a write each time. A look that is due
   * later is not taken back either: it may be due for news that came after the facts were read.
   */
  private async waitUntil(instance: Instance, until: Date | null): Promise<void> {
    const known = instance.nextCheckAt;
    const isDue = known !== null && known <= this.clock.now();
    if (until === null ? !isDue : known !== null && !isDue && known <= until) return;
    await this.recorder.record({ before: instance, after: { ...instance, nextCheckAt: until } });
  }
}
