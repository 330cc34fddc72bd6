// Run against a service by document.spec.ts, beside the types that were generated from its document.
import createClient from 'openapi-fetch';
import { setTimeout as sleep } from 'node:timers/promises';
import type { paths } from './schema.d.ts';

const client = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
const order = { name: 'by-client', productName: 'RTX 4090 24GB', templateId: 'template-123' };

const ordered = await client.POST('/api/instances', { body: order });
if (ordered.data === undefined) throw new Error(ordered.error.error.message);
const { instanceId, status } = ordered.data;
const params = { path: { instanceId } };

let became: string = status;
for (let tries = 0; tries < 300 && became !== 'running'; tries += 1) {
  await sleep(100);
  const { data } = await client.GET('/api/instances/{instanceId}', { params });
  became = data?.status ?? 'gone';
}

const list = await client.GET('/api/instances', { params: { query: { limit: 100, offset: 0 } } });
const refused = await client.POST('/api/instances', { body: { ...order, gpuNum: 99 } });
const deletion = await client.DELETE('/api/instances/{instanceId}', { params });
const missing = await client.GET('/api/instances/{instanceId}', { params: { path: { instanceId: 'inst-nobody' } } });

process.stdout.write(
  JSON.stringify({
    ordered: status,
    became,
    listed: list.data?.instances.some(({ id }) => id === instanceId),
    refused: { code: refused.error?.error.code, field: refused.error?.error.details?.['field'] },
    deletion: deletion.data?.message,
    missing: missing.response.status,
  }),
);
