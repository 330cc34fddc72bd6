import { Injectable } from '@nestjs/common';
import { Histogram } from 'prom-client';
import type { FinishedRequest } from '../platform/http/front-door.js';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';

const LABELS = ['http_request_method', 'http_route', 'http_response_status_code'] as const;
const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10];
/**
 * Eleven series each. Callers choose methods, routes and (by their mistakes) statuses, so that somebody must count them; and
 * refused requests, which anyone can send, must not leave others without a place.
 */
const MAX_ANSWERED = 56;
const MAX_REFUSED = 24;
/** Of refusals, those that say something about what was asked for; the others are counted over all routes. */
const TELLING_REFUSALS = new Set([404, 409, 429]);

type Labels = Record<(typeof LABELS)[number], string>;
type Observe = (seconds: number) => void;

/** How long requests take, by route template: a bounded number of series whatever anyone asks for. */
@Injectable()
export class HttpMetrics {
  private readonly known = new Map<string, Observe>();
  private answered = 0;
  private refused = 0;
  private readonly durations: Histogram<(typeof LABELS)[number]>;

  constructor({ registry }: MetricsRegistry) {
    this.durations = new Histogram({
      name: 'http_server_request_duration_seconds',
      help: 'Time from a request to the end of its answer; for a stream to its beginning, and without what a caller wanted to wait',
      labelNames: LABELS,
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
  }

  note(request: FinishedRequest): void {
    this.observerOf(request)(request.servedMs / 1000);
  }

  private observerOf({ method, route, status }: FinishedRequest): Observe {
    const labels = labelsOf(method, route, status);
    const key = `${labels.http_request_method} ${labels.http_route} ${labels.http_response_status_code}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    if (!this.hasRoomFor(status)) return this.observerAt(overflow(status));
    const observe = this.observerAt(labels);
    this.known.set(key, observe);
    return observe;
  }

  private hasRoomFor(status: number): boolean {
    if (isRefusal(status)) return (this.refused += 1) <= MAX_REFUSED;
    return (this.answered += 1) <= MAX_ANSWERED;
  }

  private observerAt(labels: Labels): Observe {
    const child = this.durations.labels(labels);
    return (seconds) => child.observe(seconds);
  }
}

function labelsOf(method: string, route: string, status: number): Labels {
  const http_response_status_code = String(status);
  if (isRefusal(status) && !TELLING_REFUSALS.has(status))
    return { http_request_method: '_OTHER', http_route: 'other', http_response_status_code };
  // A method that no route takes says nothing, and there are dozens of them; HEAD is a GET whose answer is not sent.
  const http_request_method = route === 'unmatched' ? '_OTHER' : method === 'HEAD' ? 'GET' : method;
  return { http_request_method, http_route: route, http_response_status_code };
}

function isRefusal(status: number): boolean {
  return status >= 400 && status < 500;
}

function overflow(status: number): Labels {
  const http_response_status_code = `${Math.floor(status / 100)}xx`;
  return { http_request_method: '_OTHER', http_route: 'other', http_response_status_code };
}
