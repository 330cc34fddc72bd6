import { Injectable } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import type { NotifiedType } from '../events/event.js';
import { InvalidRequest } from '../platform/app-error.js';
import { Clock } from '../platform/clock.js';
import { type Tx, UnitOfWork } from '../platform/database/unit-of-work.js';
import { concerning } from '../platform/http/audit/audit-trail.js';
import type { Caller } from '../platform/http/caller.js';
import type { Page } from '../platform/http/pagination.js';
import { Random } from '../platform/random.js';
import { AddressGuard } from './address-guard.js';
import { CLOSED_BREAKER } from './domain/breaker.js';
import { type CustomHeaders, judgeCustomHeaders, rulesFor } from './domain/custom-headers.js';
import { type Endpoint, rotate, type SealedHeaders } from './domain/endpoint.js';
import type { Outcome } from './domain/outcome.js';
import { sampleBody } from './domain/payload.js';
import { makeSecret } from './domain/signature.js';
import { EndpointsRepository } from './endpoints.repository.js';
import { CannotOpen, SecretBox } from '../platform/secrets/secret-box.js';
import { cancelPending, makePendingDue } from './waiting-deliveries.js';
import { WebhookSender } from './webhook-sender.js';
import { TooManyWebhooks, WebhookNotFound, WebhookOfInstances } from './webhooks.errors.js';

export interface Subscription {
  readonly url: string;
  /** None means all. */
  readonly eventTypes: readonly NotifiedType[];
  readonly enabled: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** A receiver and its new secret, which is known only now. */
export interface Disclosed {
  readonly endpoint: Endpoint;
  readonly secret: string;
}

type Keep = (made: Disclosed, tx: Tx) => Promise<void>;

const MAX_SUBSCRIPTIONS = 50;
const SECRET_BYTES = 32;

/** The receivers of a team: its standing subscriptions, and those that its instances have named. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly endpoints: EndpointsRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly guard: AddressGuard,
    private readonly box: SecretBox,
    private readonly sender: WebhookSender,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** The secret is shown this once. @throws TooManyWebhooks */
  async subscribe(wish: Subscription, caller: Caller, keep?: Keep): Promise<Disclosed> {
    const url = await this.checkedUrl(wish.url);
    const now = this.clock.now();
    const id = `whe_${this.random.ulid(now)}`;
    const secret = makeSecret(randomBytes(SECRET_BYTES));
    const fresh: Endpoint = {
      id,
      teamId: caller.teamId,
      kind: 'subscription',
      url,
      eventTypes: wish.eventTypes,
      state: 'enabled',
      disabledReason: null,
      disabledAt: null,
      secrets: rotate([], await this.box.seal(secret, id), now),
      headers: await this.sealedHeaders(wish.headers, url, id),
      breaker: CLOSED_BREAKER,
      lastSuccessAt: null,
      lastFailureAt: null,
      createdAt: now,
      updatedAt: now,
    };
    const endpoint = wish.enabled ? fresh : switchedOff(fresh, now);
    concerning(id, { after: endpoint });
    await this.unitOfWork.run(async (tx) => {
      if ((await this.endpoints.countSubscriptions(caller.teamId, tx)) >= MAX_SUBSCRIPTIONS)
        throw new TooManyWebhooks(MAX_SUBSCRIPTIONS);
      await this.endpoints.insert(endpoint, tx);
      await keep?.({ endpoint, secret }, tx);
    });
    return { endpoint, secret };
  }

  async list(page: Page, caller: Caller): Promise<{ endpoints: Endpoint[]; total: number }> {
    return this.endpoints.list(caller.teamId, page);
  }

  /** @throws WebhookNotFound, also for another team's */
  async get(id: string, caller: Caller): Promise<Endpoint> {
    const endpoint = await this.endpoints.findForTeam(id, caller.teamId);
    if (endpoint === null) throw new WebhookNotFound();
    return endpoint;
  }

  /** Switching it on lets everything that is held for it go at once. */
  async change(id: string, wish: Partial<Subscription>, caller: Caller): Promise<Endpoint> {
    const url = wish.url === undefined ? undefined : await this.checkedUrl(wish.url);
    return this.edit(id, caller, async (endpoint, now, tx) => {
      const isOther = url !== undefined || wish.eventTypes !== undefined || wish.headers !== undefined;
      if (endpoint.kind === 'instance' && isOther) throw new WebhookOfInstances();
      const moved = { ...endpoint, url: url ?? endpoint.url, eventTypes: wish.eventTypes ?? endpoint.eventTypes };
      const edited = { ...moved, headers: await this.headersAfter(wish, endpoint, moved.url) };
      if (wish.enabled === false) return endpoint.state === 'disabled' ? edited : switchedOff(edited, now);
      const isReset = url !== undefined || (wish.enabled === true && endpoint.state === 'disabled');
      if (!isReset) return edited;
      await makePendingDue(id, now, tx);
      return { ...(wish.enabled === true ? switchedOn(edited) : edited), breaker: CLOSED_BREAKER };
    });
  }

  /** What still waits for it is never sent. */
  async unsubscribe(id: string, caller: Caller): Promise<void> {
    await this.edit(id, caller, async (endpoint, _now, tx) => {
      if (endpoint.kind === 'instance') throw new WebhookOfInstances();
      await cancelPending(id, tx);
      return { ...endpoint, state: 'deleted', secrets: [], headers: null };
    });
  }

  /** Webhooks carry signatures of the old and the new secret for a day. */
  async rotateSecret(id: string, caller: Caller, keep?: Keep): Promise<Disclosed> {
    const secret = makeSecret(randomBytes(SECRET_BYTES));
    const sealed = await this.box.seal(secret, id);
    const endpoint = await this.edit(id, caller, async (known, now, tx) => {
      if (known.kind === 'instance') throw new WebhookOfInstances();
      const rotated = { ...known, secrets: rotate(known.secrets, sealed, now), updatedAt: now };
      await keep?.({ endpoint: rotated, secret }, tx);
      return rotated;
    });
    return { endpoint, secret };
  }

  /** Sends a sample right now, whatever state the receiver is in; it leaves no trace in the log. */
  async sendTest(id: string, caller: Caller): Promise<Outcome> {
    const endpoint = await this.get(id, caller);
    const now = this.clock.now();
    const message = { eventId: `evt_${this.random.ulid(now)}`, body: sampleBody(now), sequence: 0, attempt: 1 };
    try {
      const credentials = await this.sender.credentialsOf({
        ...endpoint,
        sealedHeaders: endpoint.headers?.sealed ?? null,
      });
      return await this.sender.send(endpoint.url, message, credentials);
    } catch (error) {
      if (error instanceof CannotOpen) return { kind: 'failed', class: 'signing', durationMs: 0 };
      throw error;
    }
  }

  private async edit(
    id: string,
    caller: Caller,
    change: (endpoint: Endpoint, now: Date, tx: Tx) => Promise<Endpoint>,
  ): Promise<Endpoint> {
    return this.unitOfWork.run(async (tx) => {
      const endpoint = await this.endpoints.lockForTeam(id, caller.teamId, tx);
      if (endpoint === null) throw new WebhookNotFound();
      const now = this.clock.now();
      const changed = { ...(await change(endpoint, now, tx)), updatedAt: now };
      await this.endpoints.update(changed, tx);
      concerning(id, { before: endpoint, after: changed });
      await this.endpoints.wakeSenders(tx);
      return changed;
    });
  }

  private async headersAfter(
    wish: Partial<Subscription>,
    before: Endpoint,
    url: string,
  ): Promise<SealedHeaders | null> {
    if (wish.headers !== undefined) return this.sealedHeaders(wish.headers, url, before.id);
    // Their values are shown to nobody, and so not to whoever answers at another address either.
    if (before.headers !== null && new URL(url).origin !== new URL(before.url).origin)
      throw new InvalidRequest('headers', 'must be given anew for a URL of another origin');
    return before.headers;
  }

  private async sealedHeaders(wish: Subscription['headers'], url: string, id: string): Promise<SealedHeaders | null> {
    const headers = Object.entries(wish);
    refuseHeaders(headers, url);
    if (headers.length === 0) return null;
    return { names: headers.map(([name]) => name), sealed: await this.box.seal(JSON.stringify(headers), id) };
  }

  private async checkedUrl(url: string): Promise<string> {
    const verdict = await this.guard.checkAtRegistration(url);
    if (!verdict.allowed) throw new InvalidRequest('url', `This URL is not allowed: ${verdict.because}`);
    return verdict.url;
  }
}

function refuseHeaders(headers: CustomHeaders, url: string): void {
  const verdict = judgeCustomHeaders(headers, rulesFor(new URL(url).protocol));
  if (!verdict.allowed) throw new InvalidRequest('headers', `${verdict.header}: ${verdict.because}`);
}

function switchedOff(endpoint: Endpoint, now: Date): Endpoint {
  return { ...endpoint, state: 'disabled', disabledReason: 'user', disabledAt: now };
}

function switchedOn(endpoint: Endpoint): Endpoint {
  return { ...endpoint, state: 'enabled', disabledReason: null, disabledAt: null };
}
