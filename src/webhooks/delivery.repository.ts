import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import { run } from '../platform/database/statement.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { groupBy } from '../platform/group-by.js';
import type { Breaker } from './domain/breaker.js';
import {
  CLAIM,
  LOAD,
  LOAD_FOR_PROBE,
  LOAD_OLDEST,
  LOAD_PARKED,
  RECORD,
  RELEASE,
  RENEW,
} from './delivery.statements.js';
import type { DisabledReason, EndpointKind, SealedSecret } from './domain/endpoint.js';
import { makePendingDue } from './waiting-deliveries.js';

/** A receiver in hand: no other replica sends to it until the claim ends. */
export interface ClaimedEndpoint {
  readonly id: string;
  readonly kind: EndpointKind;
  readonly url: string;
  readonly secrets: readonly SealedSecret[];
  readonly sealedHeaders: string | null;
  readonly breaker: Breaker;
  readonly token: string;
}

export interface DueDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly instanceId: string;
  readonly sequence: number;
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date;
  readonly body: string;
}

/** What one try came to: the delivery's next state and the receiver's, which are written together. */
export interface AttemptRecord {
  readonly endpointId: string;
  readonly token: string;
  readonly deliveryId: string;
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly attempts: number;
  readonly clientErrors: number;
  readonly parked: boolean;
  readonly nextAttemptAt: Date | null;
  readonly at: Date;
  readonly status: number | null;
  readonly class: string | null;
  readonly durationMs: number;
  readonly bytes: number;
  readonly isProbe: boolean;
  readonly breaker: Breaker;
  readonly disabledBecause: DisabledReason | null;
  readonly pullsForward: boolean;
}

export interface LoadRequest {
  readonly endpointId: string;
  /** Lines of instances after this one come next. */
  readonly afterInstanceId: string;
}

export interface ClaimRequest {
  readonly now: Date;
  readonly limit: number;
  readonly leaseMs: number;
  /** Those whose last try failed, or the others. */
  readonly failing: boolean;
  /** Only receivers after this one in the order of their ids. */
  readonly afterId: string;
}

interface Hold {
  readonly id: string;
  readonly token: string;
}

interface ClaimRow {
  id: string;
  kind: EndpointKind;
  url: string;
  secrets: SealedSecret[];
  sealedHeaders: string | null;
  failuresInRow: number;
  nextProbeAt: Date | null;
  failedProbes: number;
  failingSince: Date | null;
  token: string;
}

/** What the sending of webhooks reads and writes; prepared statements, because they run a thousand times a second. */
@Injectable()
export class DeliveryRepository {
  constructor(
    private readonly prisma: PrismaService,
    private readonly unitOfWork: UnitOfWork,
  ) {}

  /** Receivers with something to send that no replica works on; by the clock of the database, so that clocks need not agree. */
  async claimEndpoints({ now, limit, leaseMs, failing, afterId }: ClaimRequest): Promise<ClaimedEndpoint[]> {
    const rows = await this.query<ClaimRow>('webhooks-claim', CLAIM, [now, limit, leaseMs / 1000, failing, afterId]);
    return rows.map(({ failuresInRow, nextProbeAt, failedProbes, failingSince, ...row }) => ({
      ...row,
      breaker: { failuresInRow, nextProbeAt, failedProbes, failingSince },
    }));
  }

  /** Lines in the database's order of instances, each in its own order; what has stepped out of its line comes last. */
  async loadDue(requests: readonly LoadRequest[], now: Date): Promise<DueDelivery[][]> {
    const asked = JSON.stringify(
      requests.map(({ endpointId, afterInstanceId }) => ({ id: endpointId, after_id: afterInstanceId })),
    );
    const [lines, parked] = await Promise.all([
      this.query<DueDelivery>('webhooks-load', LOAD, [now, asked]),
      this.query<DueDelivery>('webhooks-load-parked', LOAD_PARKED, [now, asked]),
    ]);
    const byEndpoint = groupBy([...lines, ...parked], ({ endpointId }) => endpointId);
    return requests.map(({ endpointId }) => byEndpoint.get(endpointId) ?? []);
  }

  /** What shows best whether the receiver is back; what has stepped out of its line only when there is nothing else. */
  async loadForProbe(endpointId: string): Promise<DueDelivery | null> {
    const [inLine] = await this.query<DueDelivery>('webhooks-probe', LOAD_FOR_PROBE, [endpointId]);
    if (inLine !== undefined) return inLine;
    const [oldest] = await this.query<DueDelivery>('webhooks-oldest', LOAD_OLDEST, [endpointId]);
    return oldest ?? null;
  }

  /**
   * That a receiver is back and that what waits for it is due now are written together: a crash in between would leave it waiting.
   * @returns for each whether it was written: not when its receiver has passed to somebody else.
   */
  async record(records: readonly AttemptRecord[], leaseMs: number, now: Date): Promise<boolean[]> {
    const values = [JSON.stringify(records.map((record, n) => ({ ...record, n }))), leaseMs / 1000];
    const back = new Set(records.filter(({ pullsForward }) => pullsForward).map(({ endpointId }) => endpointId));
    const held =
      back.size === 0
        ? await this.query<Hold>('webhooks-record', RECORD, values)
        : await this.unitOfWork.run(async (tx) => {
            const { rows } = await run<Hold>(tx, { name: 'webhooks-record', text: RECORD }, values);
            for (const { id } of rows) if (back.has(id)) await makePendingDue(id, now, tx);
            return rows;
          });
    const tokens = new Map(held.map(({ id, token }) => [id, token]));
    return records.map(({ endpointId, token }) => tokens.get(endpointId) === token);
  }

  /** @returns those that are still held. */
  async renew(held: readonly { id: string; token: string }[], leaseMs: number): Promise<Set<string>> {
    const rows = await this.query<{ id: string }>('webhooks-renew', RENEW, [JSON.stringify(held), leaseMs / 1000]);
    return new Set(rows.map(({ id }) => id));
  }

  async release(held: readonly { id: string; token: string }[]): Promise<void> {
    await this.query('webhooks-release', RELEASE, [JSON.stringify(held)]);
  }

  private async query<T extends object>(name: string, text: string, values: unknown[]): Promise<T[]> {
    const { rows } = await this.prisma.pool.query<T>({ name, text, values });
    return rows;
  }
}
