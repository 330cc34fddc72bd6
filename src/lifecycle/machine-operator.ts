import { Injectable, Logger } from '@nestjs/common';
import type { Action, Connection, Instance } from '../instances/domain/instance.js';
import type { Placement } from '../instances/domain/placement.js';
import type { Change } from '../instances/domain/change.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { type MachineDetails, NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, addSeconds, Clock, earliest } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { failed, lost, probing, ready, requeued, restartFailed, startRefused } from './domain/changes.js';
import { toConnection, whatIsMissing } from './domain/connection.js';
import { hasNewWaysIn, isRestartAwaited, showsRestart } from './domain/evidence.js';
import { type Limits, limitsOf } from './domain/limits.js';
import {
  isPassing,
  minutes,
  type Reason,
  reasonOfNoOffer,
  reasonOfRefusal,
  reasonOfRefusedRestart,
} from './domain/reason.js';
import { type ProbeAnswer, ReadinessProbe } from './readiness-probe.js';

/** How much longer than a call may last its row is left alone by everybody else. */
const LEASE_MARGIN_MS = 2000;
const RETRY_PAUSE_MS = 2000;
const NO_ENDPOINTS = 'The machine runs, but its endpoints were not reported';
const NOT_AS_LISTED = "The machine is listed as running, but the provider's own record of it did not say so";

const NOT_EXAMINED = 'The machine runs, but what the provider says of it could not be used';
/** What the provider's own record of a machine, and the application inside, say to how far it is. */
type Finding =
  | { readonly kind: 'unreadable' }
  /** Nothing shows that it was restarted. */
  | { readonly kind: 'as-before' }
  | { readonly kind: 'restarts' }
  | { readonly kind: 'incomplete'; readonly problem: string }
  /** `answer` is null where the application is not asked. */
  | { readonly kind: 'up'; readonly connection: Connection; readonly answer: ProbeAnswer | null };

export interface ActionStep {
  readonly action: Action;
  readonly placement: Placement;
  readonly novitaId: string;
}

/** Acts on a machine that is there: reads its details, probes it, starts, stops and restarts it. */
@Injectable()
export class MachineOperator {
  private readonly logger = new Logger(MachineOperator.name);
  private readonly limits: Limits;

  constructor(
    private readonly novita: NovitaClient,
    private readonly recorder: InstanceRecorder,
    private readonly probe: ReadinessProbe,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    this.limits = limitsOf(settings);
  }

  /** Upstream says `running`, which only means that the container is up. True when the instance is worth another look at once. */
  async inspect(instance: Instance, placement: Placement, novitaId: string, now: Date): Promise<boolean> {
    const found = await this.examine(instance, placement, novitaId);
    switch (found.kind) {
      case 'unreadable':
      case 'as-before':
        return this.lookLater(instance, now);
      case 'restarts':
        return this.lookLater({ ...instance, action: null }, now, instance);
      case 'incomplete':
        return this.giveUpOrLookLater(instance, found.problem, now);
      case 'up':
        return found.answer === null
          ? this.record(ready(instance, found.connection, now, this.limits))
          : this.followProbe(instance, found.connection, found.answer, now);
    }
  }

  /** Whatever upstream answers, and whatever cannot be made of it: the time for the start runs on. */
  private async examine(instance: Instance, placement: Placement, novitaId: string): Promise<Finding> {
    const machine = await this.read(novitaId);
    if (machine === 'unreadable') return { kind: 'unreadable' };
    try {
      return await this.judge(instance, placement, machine);
    } catch (error) {
      this.logger.error({ err: error, instanceId: instance.id }, 'the machine could not be examined');
      return { kind: 'incomplete', problem: NOT_EXAMINED };
    }
  }

  private async judge(instance: Instance, placement: Placement, machine: MachineDetails | null): Promise<Finding> {
    const isAwaited = isRestartAwaited(instance);
    if (isAwaited && machine !== null && showsRestart(machine.status)) return { kind: 'restarts' };
    if (machine?.status !== 'running') return { kind: 'incomplete', problem: NOT_AS_LISTED };
    const connection = toConnection(machine);
    if (instance.phase !== 'probing' && whatIsMissing(machine, placement.ports) !== null)
      return { kind: 'incomplete', problem: NO_ENDPOINTS };
    if (isAwaited && !hasNewWaysIn(instance.connection, connection)) return { kind: 'as-before' };
    if (instance.readiness === null) return { kind: 'up', connection, answer: null };
    return { kind: 'up', connection, answer: await this.probe.ask(instance.readiness, machine.endpoints) };
  }

  /** Start, stop or restart: that it is being sent is committed first, so that no other replica sends it too. */
  async call(instance: Instance, { action, placement, novitaId }: ActionStep, now: Date): Promise<boolean> {
    const sending = await this.recordSending(instance, action, now);
    if (sending === null) return true;
    try {
      await this.send(action, novitaId, addMs(now, this.limits.repeatActionMs));
      const answeredAt = this.clock.now();
      return await this.lookLater({ ...sending, actionAnsweredAt: answeredAt }, answeredAt, sending);
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      const isFirst = instance.actionSentAt === null;
      return this.onRefusedCall(sending, { action, placement, novitaId }, error, isFirst);
    }
  }

  /** Two complete listings did not show the machine; its own record has the last word. */
  async verifyGone(instance: Instance, placement: Placement, novitaId: string, now: Date): Promise<boolean> {
    const machine = await this.read(novitaId);
    if (machine !== null) return this.lookLater(instance, now);
    const reason: Reason = { code: 'MACHINE_GONE', message: 'The machine is no longer there' };
    if (instance.phase === 'running') return this.record(lost(instance, reason, now));
    if (instance.phase === 'stopping' || instance.phase === 'stopped')
      return this.record(failed(instance, [placement], reason, now));
    return this.record(requeued(instance, placement, reason, now, this.limits));
  }

  private async read(novitaId: string): Promise<MachineDetails | null | 'unreadable'> {
    try {
      return await this.novita.findMachine(novitaId, { lane: 'order' });
    } catch (error) {
      if (error instanceof NovitaError) return 'unreadable';
      throw error;
    }
  }

  private async followProbe(
    instance: Instance,
    connection: Connection,
    answer: ProbeAnswer,
    now: Date,
  ): Promise<boolean> {
    const { readiness } = instance;
    if (readiness === null) return false;
    if (answer.isReady) return this.record(ready(instance, connection, this.clock.now(), this.limits));
    const startedAt = instance.phase === 'probing' ? (instance.probeStartedAt ?? now) : now;
    if (now >= addSeconds(startedAt, readiness.timeoutSeconds)) {
      const message = `The application on port ${readiness.port} was not ready within ${readiness.timeoutSeconds} seconds; last seen: ${answer.seen}`;
      return this.record(
        failed(instance, await this.placementsOf(instance), { code: 'READINESS_TIMEOUT', message }, now),
      );
    }
    await this.recorder.record(
      probing(instance, connection, now, answer.seen, addMs(now, Math.min(this.limits.pollMs, RETRY_PAUSE_MS))),
    );
    return false;
  }

  private placementsOf(instance: Instance): Promise<Placement[]> {
    return this.recorder.placementsOf(instance.id);
  }

  /** Later than `sendBefore` another replica may have repeated the action, and its user may have wished for another. */
  private async send(action: Action, novitaId: string, sendBefore: Date): Promise<void> {
    const options = { lane: 'order', sendBefore } as const;
    if (action === 'start') await this.novita.startMachine(novitaId, options);
    else if (action === 'stop') await this.novita.stopMachine(novitaId, options);
    else await this.novita.restartMachine(novitaId, options);
  }

  private async onRefusedCall(
    sending: Instance,
    { action, placement, novitaId }: ActionStep,
    error: NovitaError,
    isFirst: boolean,
  ): Promise<boolean> {
    const now = this.clock.now();
    if (error.outcome === 'not-sent') return this.takeBack(sending, now);
    if (action === 'start' && error.errorClass === 'no-capacity')
      return this.startElsewhere(sending, placement, novitaId);
    // Unclear, or refused for the machine's present state: what the next listing shows decides whether it is sent again.
    if (isPassing(error) || action === 'stop' || error.errorClass === 'not-found') return this.lookLater(sending, now);
    if (action === 'restart')
      // Of several, an earlier one may have been taken.
      return isFirst
        ? this.record(restartFailed(sending, reasonOfRefusedRestart(error), now, this.limits))
        : this.lookLater(sending, now);
    return this.record(startRefused(sending, reasonOfRefusal(error), now, this.limits));
  }

  /**
   * The node of a stopped machine has no free GPU: upstream's own remedy is migrate; where that is refused too, another machine.
   * It is a call of its own: while start was under way its user may have wished for something else.
   */
  private async startElsewhere(instance: Instance, placement: Placement, novitaId: string): Promise<boolean> {
    const sentAt = this.clock.now();
    const moving = await this.recordSending(instance, 'start', sentAt);
    if (moving === null) return true;
    try {
      const sendBefore = addMs(sentAt, this.limits.repeatActionMs);
      await this.novita.migrateMachine(novitaId, { lane: 'order', sendBefore });
      return await this.lookLater(moving, this.clock.now());
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      const now = this.clock.now();
      if (error.outcome === 'not-sent') return this.takeBack(moving, now);
      if (error.errorClass !== 'no-capacity') return this.lookLater(moving, now);
      return this.record(requeued(moving, placement, reasonOfNoOffer('no-capacity'), now, this.limits));
    }
  }

  /** That a call is being sent is committed first; the next check is the lease of the replica that sends it. */
  private recordSending(instance: Instance, action: Action, now: Date): Promise<Instance | null> {
    const nextCheckAt = addMs(now, this.settings.novitaTimeoutMs + LEASE_MARGIN_MS);
    const after = { ...instance, action, actionSentAt: now, actionAnsweredAt: null, nextCheckAt, updatedAt: now };
    return this.recorder.record({ before: instance, after });
  }

  /** Nothing was sent: the action is owed again. */
  private async takeBack(sending: Instance, now: Date): Promise<boolean> {
    const nextCheckAt = addMs(now, RETRY_PAUSE_MS);
    await this.recorder.record({
      before: sending,
      after: { ...sending, actionSentAt: null, nextCheckAt, updatedAt: now },
    });
    return false;
  }

  private async giveUpOrLookLater(instance: Instance, problem: string, now: Date): Promise<boolean> {
    const { deadlineAt, phase, probeStartedAt, readiness } = instance;
    const probesUntil =
      phase === 'probing' && probeStartedAt !== null && readiness !== null
        ? addSeconds(probeStartedAt, readiness.timeoutSeconds)
        : null;
    const isInTime = [deadlineAt, probesUntil].some((end) => end !== null && now < end);
    if (isInTime || deadlineAt === null) return this.lookLater(instance, now);
    const message = `${problem} within ${minutes(this.limits.startupTimeoutMs)}`;
    return this.record(failed(instance, await this.placementsOf(instance), { code: 'STARTUP_TIMEOUT', message }, now));
  }

  private async lookLater(instance: Instance, now: Date, before = instance): Promise<boolean> {
    const nextCheckAt = earliest(
      addMs(now, Math.min(this.limits.pollMs, RETRY_PAUSE_MS)),
      later(instance.deadlineAt, now),
    );
    await this.recorder.record({ before, after: { ...instance, nextCheckAt, updatedAt: now } });
    return false;
  }

  private async record(change: Change): Promise<boolean> {
    await this.recorder.record(change);
    return true;
  }
}

function later(instant: Date | null, now: Date): Date | null {
  return instant !== null && instant > now ? instant : null;
}
