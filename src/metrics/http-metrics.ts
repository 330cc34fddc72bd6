import { Injectable } from '@nestjs/common';
import { Histogram } from 'prom-client';
import type { FinishedRequest } from '../platform/http/front-door.js';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';

const LABELS = ['http_request_method', 'http_route', 'http_response_status_code'] as const;
const BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10];
/** Eleven series each. Callers choose methods, routes and (by their mistakes) statuses, so that somebody must count them. */
const MAX_COMBINATIONS = 80;

type Labels = Record<(typeof LABELS)[number], string>;

/** How long requests take, by route template: a bounded number of series whatever anyone asks for. */
@Injectable()
export class HttpMetrics {
  private readonly seen = new Set<string>();
  private readonly durations: Histogram<(typeof LABELS)[number]>;

  constructor({ registry }: MetricsRegistry) {
    this.durations = new Histogram({
      name: 'http_server_request_duration_seconds',
      help: 'Time from a request to the end of its answer',
      labelNames: LABELS,
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    });
  }

  note(request: FinishedRequest): void {
    this.durations.observe(this.labelsOf(request), request.durationMs / 1000);
  }

  private labelsOf({ method, route, status }: FinishedRequest): Labels {
    const labels = {
      // A method that no route takes says nothing, and there are dozens of them.
      http_request_method: route === 'unmatched' ? '_OTHER' : method,
      http_route: route,
      http_response_status_code: String(status),
    };
    const key = Object.values(labels).join(' ');
    if (!this.seen.has(key) && this.seen.size >= MAX_COMBINATIONS) return overflow(status);
    this.seen.add(key);
    return labels;
  }
}

function overflow(status: number): Labels {
  const http_response_status_code = `${Math.floor(status / 100)}xx`;
  return { http_request_method: '_OTHER', http_route: 'other', http_response_status_code };
}
