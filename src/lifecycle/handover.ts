import { Injectable } from '@nestjs/common';
import type { Connection, Instance } from '../instances/domain/instance.js';
import { type Placement, retire } from '../instances/domain/placement.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { type MachineDetails, NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { StatementTx } from '../platform/database/statement.js';
import { PricingService } from '../pricing/pricing.service.js';
import { handedOver } from './domain/handover-changes.js';
import { toConnection, whatIsMissing } from './domain/connection.js';
import { type HandoverStep, successorPauseMs } from './domain/decide-handover.js';
import { createSendWithinMs, type Limits, limitsOf } from './domain/limits.js';
import type { Reason } from './domain/reason.js';
import { LEASE_MARGIN_MS, MachineBuyer, NO_STOCK } from './machine-buyer.js';
import { ReadinessProbe } from './readiness-probe.js';

const LOOK_AGAIN_MS = 2000;
const NO_STOCK_PAUSE_MS = 15_000;

type Inspection = Extract<HandoverStep, { kind: 'inspect-successor' }>;

/** Buys a second machine beside a running one that will be taken away, and hands the instance over once it is ready. */
@Injectable()
export class Handover {
  private readonly limits: Limits;

  constructor(
    private readonly buyer: MachineBuyer,
    private readonly novita: NovitaClient,
    private readonly recorder: InstanceRecorder,
    private readonly placements: PlacementsRepository,
    private readonly pricing: PricingService,
    private readonly probe: ReadinessProbe,
    private readonly clock: Clock,
    settings: Settings,
  ) {
    this.limits = limitsOf(settings);
  }

  /** As for an order: the intent and its unique name are committed before the one create call. True: look again at once. */
  async buy(instance: Instance, placements: readonly Placement[], now: Date): Promise<boolean> {
    const purchase = await this.choose(instance, placements, now);
    if (purchase === null) return this.lookAgain(instance, NO_STOCK_PAUSE_MS);
    const { placement } = purchase;
    const sendBefore = addMs(placement.createdAt, createSendWithinMs(this.limits));
    const nextCheckAt = addMs(sendBefore, this.limits.createTimeoutMs + LEASE_MARGIN_MS);
    const after = { ...instance, successorPlacementId: placement.id, nextCheckAt, updatedAt: placement.createdAt };
    const buying = await this.recorder.record({ before: instance, after, bought: placement });
    if (buying === null) return true;
    const error = await this.buyer.sendCreate(instance, purchase);
    if (error !== null) return this.recordFailure(buying, placement, error);
    return this.lookAgain(buying, 0);
  }

  async lookUp(instance: Instance, successor: Placement, now: Date): Promise<boolean> {
    const found = await this.buyer.findByName(successor.uniqueName);
    if (found !== null) await this.placements.keepNovitaId(successor.id, found);
    const waitedMs = now.getTime() - (successor.outcomeUnknownSince ?? successor.createdAt).getTime();
    return this.lookAgain(instance, found === null ? Math.min(Math.max(waitedMs, LOOK_AGAIN_MS), 30_000) : 0);
  }

  async confirm(instance: Instance, successor: Placement, now: Date): Promise<boolean> {
    const after = { ...instance, nextCheckAt: now, updatedAt: now };
    await this.recorder.record({
      before: instance,
      after,
      placements: [{ ...successor, state: 'confirmed', updatedAt: now }],
    });
    return true;
  }

  /** The successor runs as far as upstream can tell; it takes over once it is as ready as the predecessor had to be. */
  async inspect(instance: Instance, { successor, novitaId, predecessor }: Inspection, now: Date): Promise<boolean> {
    const connection = await this.findConnection(instance, successor, novitaId);
    if (connection === null) return this.lookAgain(instance, Math.min(this.limits.pollMs, LOOK_AGAIN_MS));
    await this.recorder.record(handedOver(instance, predecessor, successor, connection, now, this.limits));
    return true;
  }

  async drop(
    instance: Instance,
    successor: Placement,
    placements: readonly Placement[],
    reason: Reason,
    now: Date,
  ): Promise<boolean> {
    const answer = successor.novitaId === null ? await this.buyer.lookLast(successor) : 'absent';
    if (answer !== 'absent') return this.lookAgain(instance, answer === 'found' ? 0 : this.limits.pollMs);
    const nextCheckAt = addMs(now, successorPauseMs(instance, placements));
    const left: Placement =
      successor.novitaId === null
        ? { ...successor, state: 'abandoned', updatedAt: now }
        : retire(successor, reason.code, now);
    await this.recorder.record({
      before: instance,
      after: {
        ...instance,
        successorPlacementId: null,
        // The notice was withdrawn while the successor was coming up: no other one is wanted.
        replaceBy: instance.noticePlacementId === null ? null : instance.replaceBy,
        nextCheckAt,
        updatedAt: now,
      },
      placements: [left],
      event: { type: 'instance.decided', actor: 'service', data: { decision: 'drop-successor', because: reason.code } },
    });
    return false;
  }

  private async choose(instance: Instance, placements: readonly Placement[], now: Date) {
    try {
      const purchase = await this.buyer.choose(instance, placements, now);
      return 'offer' in purchase ? purchase : null;
    } catch (error) {
      if (error instanceof NovitaError) return null;
      throw error;
    }
  }

  private async recordFailure(buying: Instance, successor: Placement, error: NovitaError): Promise<boolean> {
    const now = this.clock.now();
    if (error.outcome === 'unknown') {
      await this.recorder.record({
        before: buying,
        after: { ...buying, nextCheckAt: addMs(now, Math.min(1000, this.limits.pollMs)), updatedAt: now },
        placements: [{ ...successor, outcomeUnknownSince: now, updatedAt: now }],
      });
      return false;
    }
    const isNoStock = error.errorClass === 'no-capacity';
    const retireReason = isNoStock ? NO_STOCK : (error.reason ?? error.errorClass);
    await this.recorder.record({
      before: buying,
      after: {
        ...buying,
        successorPlacementId: null,
        nextCheckAt: isNoStock ? now : addMs(now, NO_STOCK_PAUSE_MS),
        updatedAt: now,
      },
      placements: [{ ...successor, state: 'refused', retireReason, updatedAt: now }],
      ...(isNoStock && { alongside: (tx: StatementTx) => this.pricing.rememberStockOut(successor, now, tx) }),
    });
    return isNoStock;
  }

  /** Null while something is still missing. */
  private async findConnection(instance: Instance, successor: Placement, novitaId: string): Promise<Connection | null> {
    const machine = await this.read(novitaId);
    if (machine?.status !== 'running' || whatIsMissing(machine, successor.ports) !== null) return null;
    if (instance.readiness === null) return toConnection(machine);
    const answer = await this.probe.ask(instance.readiness, machine.endpoints);
    return answer.isReady ? toConnection(machine) : null;
  }

  private async read(novitaId: string): Promise<MachineDetails | null> {
    try {
      return await this.novita.findMachine(novitaId, { lane: 'order' });
    } catch (error) {
      if (error instanceof NovitaError) return null;
      throw error;
    }
  }

  private async lookAgain(instance: Instance, pauseMs: number): Promise<boolean> {
    const now = this.clock.now();
    const nextCheckAt = addMs(now, pauseMs);
    await this.recorder.record({ before: instance, after: { ...instance, nextCheckAt, updatedAt: now } });
    return pauseMs === 0;
  }
}
