import { Injectable } from '@nestjs/common';
import { type Instance, moveTo } from '../instances/domain/instance.js';
import { newPlacement, type Placement } from '../instances/domain/placement.js';
import { uniqueMachineName } from '../instances/domain/unique-name.js';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { NovitaClient, type Template } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, Clock, earliest } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import type { StatementTx } from '../platform/database/statement.js';
import { Random } from '../platform/random.js';
import { Catalogue } from '../pricing/catalogue.js';
import { type Offer, type OfferChoice, placeOf } from '../pricing/domain/offer.js';
import { PricingService } from '../pricing/pricing.service.js';
import { DeploymentIdentity } from './deployment-identity.repository.js';
import { createSendWithinMs, type Limits, limitsOf } from './domain/limits.js';
import { buyingEndsAt, queuedUntil } from './domain/purchase-times.js';
import { isPassing, type Reason, reasonOfNoOffer, reasonOfRefusal } from './domain/reason.js';
import { failed } from './domain/changes.js';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const RECOVERY_PAUSE_MS = 15_000;
export const NO_STOCK = 'NO_CAPACITY';
/** How much longer than the call may last its row is left alone by everybody else. */
export const LEASE_MARGIN_MS = 2000;

export interface Purchase {
  readonly offer: Offer;
  readonly template: Template;
  readonly placement: Placement;
}

/** Buys one machine for a queued instance: the intent and its unique name are committed before the one create call. */
@Injectable()
export class MachineBuyer {
  private readonly limits: Limits;

  constructor(
    private readonly pricing: PricingService,
    private readonly catalogue: Catalogue,
    private readonly novita: NovitaClient,
    private readonly recorder: InstanceRecorder,
    private readonly placements: PlacementsRepository,
    private readonly identity: DeploymentIdentity,
    private readonly random: Random,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {
    this.limits = limitsOf(settings);
  }

  /** True when the instance is worth another look at once. */
  async buy(instance: Instance, placements: readonly Placement[], now: Date): Promise<boolean> {
    try {
      const purchase = await this.choose(instance, placements, now);
      if ('offer' in purchase) return await this.purchase(instance, purchase);
      const isRecovery = instance.readyAt !== null;
      return isRecovery && purchase.code === 'NO_CAPACITY'
        ? await this.postpone(instance, purchase, RECOVERY_PAUSE_MS)
        : await this.fail(instance, purchase);
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      return isPassing(error)
        ? this.postpone(instance, WAITING, pauseFor(error))
        : this.fail(instance, reasonOfRefusal(error));
    }
  }

  /**
   * Create had no clear answer: asks for the machine by its name, with growing pauses while it may still be hidden.
   * Not finding it proves nothing; only the observer's complete listings do.
   */
  async lookUp(instance: Instance, placement: Placement, now: Date): Promise<boolean> {
    const found = await this.findByName(placement.uniqueName);
    if (found !== null) await this.placements.keepNovitaId(placement.id, found);
    const waitedMs = now.getTime() - (placement.outcomeUnknownSince ?? placement.createdAt).getTime();
    const pauseMs = Math.min(Math.max(waitedMs, this.limits.pollMs / 2), LONGEST_PAUSE_MS);
    const nextCheckAt = found === null ? earliest(addMs(now, pauseMs), buyingEndsAt(instance, this.limits)) : now;
    const note: Reason = {
      code: 'CREATE_UNCONFIRMED',
      message: 'The provider did not confirm the order; looking whether the machine exists',
    };
    const after = { ...instance, nextCheckAt, reasonCode: note.code, reasonMessage: note.message, updatedAt: now };
    await this.recorder.record({ before: instance, after });
    return found !== null;
  }

  async findByName(uniqueName: string): Promise<string | null> {
    return (await this.lookForName(uniqueName)).novitaId;
  }

  /**
   * The last word before a name is given up: asked for by its name alone, it is not there either. A listing of everything may
   * leave a machine out while others are created and pages shift.
   */
  async lookLast({ id, uniqueName }: Placement): Promise<'absent' | 'found' | 'unclear'> {
    const { novitaId, isComplete } = await this.lookForName(uniqueName);
    if (novitaId === null) return isComplete ? 'absent' : 'unclear';
    await this.placements.keepNovitaId(id, novitaId);
    return 'found';
  }

  private async lookForName(uniqueName: string): Promise<{ novitaId: string | null; isComplete: boolean }> {
    try {
      const { machines, complete } = await this.novita.listMachines({ name: uniqueName }, { lane: 'order' });
      const same = machines.filter(({ name, status }) => name === uniqueName && status !== 'removed');
      // Two machines of one name: the older one stays, the sweeper removes the other.
      const [oldest] = same.toSorted((a, b) => (a.createdAt?.getTime() ?? 0) - (b.createdAt?.getTime() ?? 0));
      return { novitaId: oldest?.id ?? null, isComplete: complete };
    } catch (error) {
      if (error instanceof NovitaError) return { novitaId: null, isComplete: false };
      throw error;
    }
  }

  /** The best offer that did not lately refuse, under a name of its own; or why there is none. */
  async choose(instance: Instance, placements: readonly Placement[], now: Date): Promise<Purchase | Reason> {
    const choice = await this.findOffers(instance, now);
    if (choice.kind === 'none') return reasonOfNoOffer(choice.because);
    const since = addMs(now, -this.settings.stockOutMemoryMs);
    const refused = new Set(placements.filter((one) => hadNoStock(one) && one.createdAt >= since).map(placeOf));
    const offer = choice.offers.find((one) => !refused.has(placeOf(one)));
    if (offer === undefined) return reasonOfNoOffer('no-capacity');
    const template = await this.catalogue.getTemplate(instance.templateId);
    const token = this.random.token(12);
    const name = uniqueMachineName(this.settings.machineNamePrefix, await this.identity.id(), token, instance.name);
    const machine = { gpuNum: instance.gpuNum, ports: template.ports };
    // Choosing may have waited for its turns upstream: the times of the purchase count from here.
    const intendedAt = this.clock.now();
    return { offer, template, placement: newPlacement(instance.id, `plc-${token}`, name, offer, machine, intendedAt) };
  }

  /** On-demand offers stand behind all spot ones, and only where the user allows them. */
  private async findOffers(instance: Instance, now: Date): Promise<OfferChoice> {
    const { productName, gpuNum, rootfsSizeGb, billingMode, region } = instance;
    const wish = { productName, gpuNum, rootfsSizeGb, billingMode };
    const choice = await this.pricing.findOffers(wish, region, now);
    if (!instance.fallbackToOnDemand || billingMode === 'onDemand') return choice;
    const fallback = await this.pricing.findOffers({ ...wish, billingMode: 'onDemand' }, region, now);
    if (choice.kind === 'none') return fallback;
    return fallback.kind === 'none' ? choice : { kind: 'offers', offers: [...choice.offers, ...fallback.offers] };
  }

  private async purchase(instance: Instance, { template, placement }: Purchase): Promise<boolean> {
    const now = placement.createdAt;
    const sendBefore = addMs(now, createSendWithinMs(this.limits));
    const leaseUntil = addMs(sendBefore, this.limits.createTimeoutMs + LEASE_MARGIN_MS);
    const after = moveTo(instance, 'buying', now, { currentPlacementId: placement.id, nextCheckAt: leaseUntil });
    const buying = await this.recorder.record({ before: instance, after, bought: placement });
    if (buying === null) return true;
    const error = await this.sendCreate(instance, { template, placement });
    if (error !== null) await this.recordFailure(buying, placement, error);
    return true;
  }

  /** The one create call of a placement whose intent is committed; an error is what stood in its way. */
  async sendCreate(
    { rootfsSizeGb }: Instance,
    { template, placement }: Pick<Purchase, 'template' | 'placement'>,
  ): Promise<NovitaError | null> {
    const { productId, clusterId, billingMode, gpuNum, uniqueName } = placement;
    const sendBefore = addMs(placement.createdAt, createSendWithinMs(this.limits));
    // A process that was stopped here for long must not send: others have drawn their conclusions by now.
    if (this.clock.now() > sendBefore) return new NovitaError('rate-limited', 'not-sent', 'create', 'TOO_LATE');
    const order = { name: uniqueName, productId, clusterId, gpuNum, rootfsSizeGb, billingMode, template };
    try {
      const { novitaId } = await this.novita.createMachine(order, { lane: 'order', sendBefore });
      await this.placements.keepNovitaId(placement.id, novitaId);
      return null;
    } catch (error) {
      if (error instanceof NovitaError) return error;
      throw error;
    }
  }

  private async recordFailure(buying: Instance, placement: Placement, error: NovitaError): Promise<void> {
    const now = this.clock.now();
    if (error.outcome === 'unknown') {
      const after = {
        ...buying,
        nextCheckAt: addMs(now, Math.min(FIRST_PAUSE_MS, this.limits.pollMs)),
        updatedAt: now,
      };
      await this.recorder.record({
        before: buying,
        after,
        placements: [{ ...placement, outcomeUnknownSince: now, updatedAt: now }],
      });
      return;
    }
    const refused: Placement = {
      ...placement,
      state: 'refused',
      retireReason: error.errorClass === 'no-capacity' ? NO_STOCK : (error.reason ?? error.errorClass),
      updatedAt: now,
    };
    const reason = reasonOfRefusal(error);
    if (error.errorClass === 'no-capacity') {
      const after = this.backInQueue(buying, reason, now, 0);
      const alongside = (tx: StatementTx) => this.pricing.rememberStockOut(placement, now, tx);
      await this.recorder.record({ before: buying, after, placements: [refused], alongside });
    } else if (isPassing(error)) {
      await this.recorder.record({
        before: buying,
        after: this.backInQueue(buying, WAITING, now, pauseFor(error)),
        placements: [refused],
      });
    } else {
      await this.recorder.record({ ...failed(buying, [], reason, now), placements: [refused] });
    }
  }

  private backInQueue(buying: Instance, reason: Reason, now: Date, pauseMs: number): Instance {
    return moveTo(buying, 'queued', now, {
      currentPlacementId: null,
      nextCheckAt: queuedUntil(buying, pauseMs, now),
      reasonCode: reason.code,
      reasonMessage: reason.message,
    });
  }

  private async fail(instance: Instance, reason: Reason): Promise<boolean> {
    await this.recorder.record(failed(instance, [], reason, this.clock.now()));
    return true;
  }

  /** The order waits and says so; nothing is lost. */
  private async postpone(instance: Instance, reason: Reason, pauseMs: number): Promise<boolean> {
    const now = this.clock.now();
    const { code: reasonCode, message: reasonMessage } = reason;
    await this.recorder.record({
      before: instance,
      after: {
        ...instance,
        nextCheckAt: queuedUntil(instance, pauseMs, now),
        reasonCode,
        reasonMessage,
        updatedAt: now,
      },
    });
    return false;
  }
}

const WAITING: Reason = {
  code: 'WAITING_FOR_PROVIDER',
  message: 'The provider cannot be reached or asks for patience; the order is kept and tried again',
};

/** The place refused it, at once or after the create call was taken; a place that was only not reached may be asked again. */
function hadNoStock({ retireReason }: Placement): boolean {
  return retireReason === NO_STOCK;
}

function pauseFor(error: NovitaError): number {
  return Math.max(FIRST_PAUSE_MS, (error.retryAfterSeconds ?? 2) * 1000);
}
