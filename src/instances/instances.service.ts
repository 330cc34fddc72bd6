import { Injectable } from '@nestjs/common';
import { InvalidRequest } from '../platform/app-error.js';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { StatementTx } from '../platform/database/statement.js';
import { concerning } from '../platform/http/audit/audit-trail.js';
import type { Caller } from '../platform/http/caller.js';
import { Random } from '../platform/random.js';
import { AddressGuard } from '../webhooks/address-guard.js';
import { decideRequest, type UserAction } from './domain/decide-request.js';
import type { Instance } from './domain/instance.js';
import { type InstanceOrder, newInstance } from './domain/new-instance.js';
import { InstanceRecorder } from './instance-recorder.js';
import { IllegalTransition, InstanceBusy, InstanceNotFound } from './instances.errors.js';
import { InstancesRepository } from './instances.repository.js';
import { OrderCaps } from './order-caps.js';
import { PlacementsRepository } from './placements.repository.js';
import { StartTimes } from './start-times.js';

const TRIES = 5;

/** What users can ask of instances. Everything is answered from rows; the lifecycle makes it so. */
@Injectable()
export class InstancesService {
  constructor(
    private readonly instances: InstancesRepository,
    private readonly placements: PlacementsRepository,
    private readonly recorder: InstanceRecorder,
    private readonly startTimes: StartTimes,
    private readonly guard: AddressGuard,
    private readonly caps: OrderCaps,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly settings: Settings,
  ) {}

  /** @throws OrderLimitReached */
  async request(
    order: InstanceOrder,
    caller: Caller,
    alongside?: (instance: Instance, tx: StatementTx) => Promise<void>,
  ): Promise<Instance> {
    const { cap } = caller;
    if (cap) await this.caps.expectRoom(cap);
    const webhookUrl = order.webhookUrl === null ? null : await this.checkedUrl(order.webhookUrl);
    const now = this.clock.now();
    const id = `inst-${this.random.token(16)}`;
    const instance = newInstance(id, caller.teamId, { ...order, webhookUrl }, now, this.settings.queueTimeoutMs);
    concerning(instance.id, { after: instance });
    const claim = async (tx: StatementTx) => {
      await alongside?.(instance, tx);
      if (cap) await this.caps.claim(instance.id, cap, tx);
    };
    return this.recorder.recordNew(instance, `user:${caller.actor}`, claim, { apart: cap !== undefined });
  }

  /** How long a start usually takes here. */
  typicalStartMs(): Promise<number> {
    return this.startTimes.typicalMs();
  }

  /** Idempotent: what is so already, or on its way, is answered as it is. @throws IllegalTransition */
  async act(action: UserAction, id: string, caller: Caller): Promise<Instance> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const instance = await this.find(id, caller);
      concerning(instance.id);
      const placements = await this.placements.listOf(instance.id);
      const decision = decideRequest(action, instance, placements, caller.actor, this.clock.now(), this.settings);
      if (decision.kind === 'illegal') throw new IllegalTransition(action, instance);
      if (decision.kind === 'done') return instance;
      const { before, after } = decision.change;
      concerning(instance.id, { before, after });
      const stored = await this.recorder.record(decision.change);
      if (stored !== null) return stored;
    }
    throw new InstanceBusy();
  }

  /** @throws InstanceNotFound, also for a deleted instance and for another team's. */
  private async find(id: string, caller: Caller): Promise<Instance> {
    const instance = await this.instances.findForTeam(id, caller.teamId);
    if (instance === null || instance.deletedAt !== null) throw new InstanceNotFound();
    return instance;
  }

  private async checkedUrl(url: string): Promise<string> {
    const verdict = await this.guard.checkAtRegistration(url);
    if (!verdict.allowed) throw new InvalidRequest('webhookUrl', `This URL is not allowed: ${verdict.because}`);
    return verdict.url;
  }
}
