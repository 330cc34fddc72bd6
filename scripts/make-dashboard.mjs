// `npm run dashboard`: writes deploy/grafana/novita-gpu-instances.json. A dashboard by hand is a thousand lines that nobody reviews.
import { writeFileSync } from 'node:fs';
import { at } from './lib/project.mjs';

const JOB = 'job=~"$job"';
/** A metric of ours or of the process, and the beginning of its selector if it has one. */
const METRIC = /\b((?:gpusvc|nodejs|process|http_server|http_client)_\w+)(\{)?/g;
const WIDTH = 8;
const HEIGHT = 7;

const rows = [
  [
    'State (the same on every replica)',
    panel(
      'Instances by status',
      'short',
      ['max by (status) (sum by (instance, status) (gpusvc_instances))', '{{status}}'],
      { stacked: true },
    ),
    panel('Machines upstream', 'short', ['max by (state) (gpusvc_placements)', '{{state}}']),
    panel('Spend per hour, USD', 'currencyUSD', ['max(deriv(gpusvc_upstream_spend_usd_total[15m])) * 3600', 'USD/h']),
  ],
  [
    'What must not happen',
    panel('Deletes that fail', 'short', ['max(gpusvc_retirements_failing)', 'machines']),
    panel(
      'Orphans',
      'short',
      ['max(gpusvc_orphans_known)', 'known'],
      ['sum by (outcome) (increase(gpusvc_orphans_found_total[$__rate_interval]))', '{{outcome}}'],
    ),
    panel(
      'Leases lost, results overtaken',
      'short',
      ['sum by (lease) (increase(gpusvc_leases_lost_total[$__rate_interval]))', 'lost {{lease}}'],
      ['sum by (record) (increase(gpusvc_fencing_rejects_total[$__rate_interval]))', 'overtaken {{record}}'],
    ),
  ],
  [
    'Background work',
    panel('Oldest due work', 's', ['max(gpusvc_workflow_oldest_due_seconds)', 'overdue']),
    panel('Steps', 'ops', [
      'sum by (step, outcome) (rate(gpusvc_workflow_step_total[$__rate_interval]))',
      '{{step}} {{outcome}}',
    ]),
    panel(
      'From order to ready',
      's',
      ['histogram_quantile(0.5, sum by (le) (increase(gpusvc_instance_provision_duration_seconds_bucket[1h])))', 'p50'],
      [
        'histogram_quantile(0.95, sum by (le) (increase(gpusvc_instance_provision_duration_seconds_bucket[1h])))',
        'p95',
      ],
    ),
    panel('Spot migrations', 'short', ['sum by (outcome) (increase(gpusvc_spot_migrations_total[1h]))', '{{outcome}}']),
    panel('Events', 'short', ['sum by (type) (increase(gpusvc_instance_events_total[$__rate_interval]))', '{{type}}']),
    panel('Age of the last complete listing', 's', ['max(gpusvc_observer_last_sweep_age_seconds)', 'age']),
  ],
  [
    'Upstream',
    panel('Calls', 'reqps', [
      'sum by (call, outcome) (rate(gpusvc_upstream_calls_total[$__rate_interval]))',
      '{{call}} {{outcome}}',
    ]),
    panel('Time of a call, p95', 's', [
      'histogram_quantile(0.95, sum by (le, call) (rate(http_client_request_duration_seconds_bucket[$__rate_interval])))',
      '{{call}}',
    ]),
    panel(
      'Circuit',
      'short',
      ['max(gpusvc_upstream_circuit_open)', 'open'],
      ['max(gpusvc_upstream_consecutive_failures)', 'failures in a row'],
    ),
  ],
  [
    'Webhooks',
    panel('Attempts', 'ops', [
      'sum by (outcome) (rate(gpusvc_webhook_attempts_total[$__rate_interval]))',
      '{{outcome}}',
    ]),
    panel(
      'Waiting',
      'short',
      ['max(gpusvc_webhook_deliveries_pending)', 'events'],
      ['max by (state) (gpusvc_webhook_endpoints)', 'receivers {{state}}'],
    ),
    panel('Oldest waiting', 's', ['max(gpusvc_webhook_oldest_pending_seconds)', 'age']),
  ],
  [
    'HTTP and process',
    panel('Requests', 'reqps', [
      'sum by (http_route, http_response_status_code) (rate(http_server_request_duration_seconds_count[$__rate_interval]))',
      '{{http_route}} {{http_response_status_code}}',
    ]),
    panel(
      'Time of a request',
      's',
      [
        'histogram_quantile(0.5, sum by (le) (rate(http_server_request_duration_seconds_bucket{http_route=~"/api/.*"}[$__rate_interval])))',
        'p50',
      ],
      [
        'histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{http_route=~"/api/.*"}[$__rate_interval])))',
        'p99',
      ],
    ),
    panel('Event loop, p99', 's', ['nodejs_eventloop_lag_p99_seconds', '{{instance}}']),
    panel('Memory', 'bytes', ['process_resident_memory_bytes', '{{instance}}']),
    panel('CPU', 'percentunit', ['rate(process_cpu_seconds_total[$__rate_interval])', '{{instance}}']),
    panel(
      'Versions, database',
      'short',
      ['count by (version) (gpusvc_build_info)', '{{version}}'],
      ['min(gpusvc_database_up)', 'database up'],
    ),
  ],
];

/** Every figure of the chosen installation alone: several may report to one Prometheus. */
function ofJob(expr) {
  return expr.replace(METRIC, (_, name, selector) => (selector ? `${name}{${JOB},` : `${name}{${JOB}}`));
}

function panel(title, unit, ...rest) {
  const targets = rest
    .filter(Array.isArray)
    .map(([expr, legendFormat], index) => ({ refId: 'ABC'[index], expr: ofJob(expr), legendFormat }));
  const { stacked = false } = rest.find((item) => !Array.isArray(item)) ?? {};
  const custom = stacked ? { fillOpacity: 40, stacking: { mode: 'normal' } } : {};
  return { title, type: 'timeseries', targets, fieldConfig: { defaults: { unit, min: 0, custom }, overrides: [] } };
}

function layOut() {
  const panels = [];
  let y = 0;
  for (const [title, ...items] of rows) {
    panels.push({ type: 'row', title, collapsed: false, gridPos: { h: 1, w: 24, x: 0, y }, panels: [] });
    y += 1;
    items.forEach((item, index) => {
      const gridPos = { h: HEIGHT, w: WIDTH, x: (index % 3) * WIDTH, y: y + Math.floor(index / 3) * HEIGHT };
      panels.push({ ...item, gridPos, datasource: { type: 'prometheus', uid: '${datasource}' } });
    });
    y += Math.ceil(items.length / 3) * HEIGHT;
  }
  return panels.map((item, index) => ({ id: index + 1, ...item }));
}

const dashboard = {
  uid: 'novita-gpu-instances',
  title: 'Novita GPU instances',
  tags: ['gpu'],
  schemaVersion: 39,
  editable: true,
  refresh: '30s',
  time: { from: 'now-6h', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus' },
      {
        name: 'job',
        type: 'query',
        query: 'label_values(gpusvc_build_info, job)',
        datasource: { type: 'prometheus', uid: '${datasource}' },
        includeAll: true,
        multi: true,
        allValue: '.*',
        current: { text: 'All', value: '$__all' },
      },
    ],
  },
  panels: layOut(),
};

writeFileSync(at('deploy/grafana/novita-gpu-instances.json'), `${JSON.stringify(dashboard, null, 2)}\n`);
