import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { VERSION } from '../platform/version.js';
import type { CustomHeaders } from './domain/custom-headers.js';
import type { EndpointKind, SealedSecret } from './domain/endpoint.js';
import { inUse } from './domain/endpoint.js';
import type { Outcome } from './domain/outcome.js';
import { sign, unsigned } from './domain/signature.js';
import { GuardedHttp } from './guarded-http.js';
import { CannotOpen, SecretBox } from '../platform/secrets/secret-box.js';

export interface Target {
  readonly id: string;
  readonly kind: EndpointKind;
  readonly url: string;
  readonly secrets: readonly SealedSecret[];
  readonly sealedHeaders: string | null;
}

/** What a receiver's webhooks carry beside their event. */
export interface Credentials {
  /** To sign with, the newest first; none for an instance's own receiver while WEBHOOK_SECRET is not set. */
  readonly secrets: readonly string[];
  readonly headers: CustomHeaders;
}

export interface Message {
  readonly eventId: string;
  readonly body: string;
  readonly sequence: number;
  /** Counts from one. */
  readonly attempt: number;
}

/** Makes one request of one event: the stored bytes, signed anew at the time of each try. */
@Injectable()
export class WebhookSender {
  constructor(
    private readonly http: GuardedHttp,
    private readonly box: SecretBox,
    private readonly clock: Clock,
    private readonly settings: Settings,
  ) {}

  /** @throws CannotOpen */
  async credentialsOf(target: Target): Promise<Credentials> {
    const { id, sealedHeaders } = target;
    const [secrets, headers] = await Promise.all([
      this.secretsOf(target),
      sealedHeaders === null ? '[]' : this.box.open(sealedHeaders, id),
    ]);
    return { secrets, headers: JSON.parse(headers) as CustomHeaders };
  }

  private async secretsOf({ id, kind, secrets }: Target): Promise<readonly string[]> {
    const { webhookSecret } = this.settings;
    if (kind === 'instance') return webhookSecret === null ? [] : [webhookSecret];
    const usable = inUse(secrets, this.clock.now());
    if (usable.length === 0) throw new CannotOpen('The receiver has no secret');
    return Promise.all(usable.map(({ sealed }) => this.box.open(sealed, id)));
  }

  send(
    url: string,
    { eventId, body, sequence, attempt }: Message,
    { secrets, headers: customHeaders }: Credentials,
  ): Promise<Outcome> {
    const bytes = Buffer.from(body, 'utf8');
    const message = { id: eventId, sentAt: this.clock.now(), body: bytes };
    const signature = secrets.length === 0 ? unsigned(message) : sign(message, secrets);
    const headers = {
      'content-type': 'application/json',
      'user-agent': `novita-gpu-instances/${VERSION}`,
      ...signature,
      'webhook-sequence': String(sequence),
      'webhook-attempt': String(attempt),
    };
    return this.http.post(url, { headers, customHeaders, body: bytes });
  }
}
