import { Injectable } from '@nestjs/common';
import type { Readiness } from '../instances/domain/instance.js';
import type { Endpoint } from '../novita/novita-client.js';
import { GuardedHttp } from '../webhooks/guarded-http.js';

const PROBE_TIMEOUT_MS = 5000;

export interface ProbeAnswer {
  readonly isReady: boolean;
  /** In words, for the user: what the last try met. */
  readonly seen: string;
}

const NOT_AN_ADDRESS: ProbeAnswer = { isReady: false, seen: 'the endpoint is not an address' };

/** Asks the application inside a machine whether it answers. The address comes from upstream, so it passes the guard as well. */
@Injectable()
export class ReadinessProbe {
  constructor(private readonly http: GuardedHttp) {}

  async ask(readiness: Readiness, endpoints: readonly Endpoint[]): Promise<ProbeAnswer> {
    const endpoint = endpoints.find(({ port }) => port === readiness.port);
    if (endpoint === undefined) return { isReady: false, seen: `port ${readiness.port} has no endpoint` };
    // A row may hold null for a path that was not given.
    const path = readiness.path ?? null;
    return path === null ? this.connect(endpoint) : this.get(endpoint, path);
  }

  private async get({ endpoint, type }: Endpoint, path: string): Promise<ProbeAnswer> {
    const base = type === 'http' ? endpoint : `http://${endpoint}`;
    // Endpoints may carry a path of their own; the wished path stands below it.
    const url = `${base.replace(/\/+$/, '')}${path.startsWith('/') ? path : `/${path}`}`;
    if (!URL.canParse(url)) return NOT_AN_ADDRESS;
    const outcome = await this.http.request(url, { method: 'GET', purpose: 'probe', deadlineMs: PROBE_TIMEOUT_MS });
    if (outcome.kind === 'answered') {
      const isReady = outcome.status >= 200 && outcome.status < 400;
      return { isReady, seen: `HTTP ${outcome.status}` };
    }
    return {
      isReady: false,
      seen: outcome.kind === 'refused' ? `address refused (${outcome.because})` : `no answer (${outcome.class})`,
    };
  }

  private async connect({ endpoint, type }: Endpoint): Promise<ProbeAnswer> {
    const address = type === 'http' ? endpoint : `http://${endpoint}`;
    if (!URL.canParse(address)) return NOT_AN_ADDRESS;
    const url = new URL(address);
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const outcome = await this.http.tcpConnect(url.hostname.replace(/^\[|\]$/g, ''), port);
    if (outcome.kind === 'connected') return { isReady: true, seen: 'connected' };
    return {
      isReady: false,
      seen: outcome.kind === 'refused' ? `address refused (${outcome.because})` : `no connection (${outcome.class})`,
    };
  }
}
