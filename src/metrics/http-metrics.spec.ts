import { describe, expect, it } from '@jest/globals';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { HttpMetrics } from './http-metrics.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];
const REFUSALS = [400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 414, 415, 417, 422, 429, 431];

function setUp() {
  const metrics = new MetricsRegistry();
  const http = new HttpMetrics(metrics);
  const note = (method: string, route: string, status: number, servedMs = 1) =>
    http.note({ method, route, status, servedMs, durationMs: servedMs, aborted: false });
  const series = async () =>
    (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith('http_server_request'));
  return { note, series };
}

describe('the durations of requests', () => {
  it('keep a place for answers of every route, whatever was refused before', async () => {
    const { note, series } = setUp();
    for (let route = 0; route < 60; route++)
      for (const method of METHODS) for (const status of REFUSALS) note(method, `/api/r${route}`, status);

    note('GET', '/api/instances', 200);
    note('POST', '/api/instances', 503);

    const labels = (await series()).filter((line) => line.includes('_count')).join('\n');
    expect(labels).toContain('http_request_method="GET",http_route="/api/instances",http_response_status_code="200"');
    expect(labels).toContain('http_request_method="POST",http_route="/api/instances",http_response_status_code="503"');
    expect(labels).toContain('http_route="other",http_response_status_code="401"');
  });

  it('are at most a thousand series', async () => {
    const { note, series } = setUp();
    for (let route = 0; route < 100; route++)
      for (const method of METHODS)
        for (const status of [...REFUSALS, 200, 201, 202, 304, 500, 502, 503]) note(method, `/api/r${route}`, status);

    expect((await series()).length).toBeLessThanOrEqual(1_000);
  });
});
