import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { FIND_IDEMPOTENCY_KEY, INSERT_EVENT, INSERT_IDEMPOTENCY_KEY, INSERT_INSTANCE, INSERT_JOB } from './sql.ts';

export interface Order {
  readonly name: string;
  readonly productName: string;
  readonly templateId: string;
  readonly gpuNum?: number;
  readonly rootfsSize?: number;
  readonly region?: string;
  readonly webhookUrl?: string;
  readonly billingMode?: string;
  readonly labels?: Record<string, string>;
}

const TEAM = 'default';
const QUEUE_MS = 600_000;
const START_MS = 180_000;

/** The rows of one order in one transaction; the answer as it is kept, or as it was kept before. */
export async function create(pool: pg.Pool, order: Order, idempotencyKey: string): Promise<string> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const answer = await insertAll(client, order, idempotencyKey);
    await client.query('COMMIT');
    return answer;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

async function insertAll(client: pg.PoolClient, order: Order, idempotencyKey: string): Promise<string> {
  const now = new Date();
  const id = `inst-${randomBytes(8).toString('hex')}`;
  const answer = JSON.stringify({
    instanceId: id,
    status: 'creating',
    message: 'Instance creation initiated',
    estimatedReadyTime: new Date(now.getTime() + START_MS).toISOString(),
  });
  const keyHash = sha256(`${TEAM}\0${idempotencyKey}`);
  const kept = [TEAM, keyHash, sha256(JSON.stringify(order)), Buffer.from(answer), now];
  const { rowCount } = await client.query({ name: 'key', text: INSERT_IDEMPOTENCY_KEY, values: kept });
  if (rowCount === 0) return replay(client, keyHash);
  await client.query({ name: 'instance', text: INSERT_INSTANCE, values: instanceValues(id, order, now) });
  await client.query({
    name: 'event',
    text: INSERT_EVENT,
    values: [`evt_${randomBytes(13).toString('hex')}`, id, TEAM, now],
  });
  await client.query({ name: 'job', text: INSERT_JOB, values: [{ instanceId: id }, id] });
  return answer;
}

async function replay(client: pg.PoolClient, keyHash: string): Promise<string> {
  const found = await client.query<{ answer: Buffer }>({
    name: 'kept',
    text: FIND_IDEMPOTENCY_KEY,
    values: [TEAM, keyHash],
  });
  return found.rows[0]?.answer.toString() ?? '';
}

function instanceValues(id: string, order: Order, now: Date): unknown[] {
  const { name, productName, templateId, gpuNum = 1, rootfsSize = 60, region = 'CN-HK-01' } = order;
  const { webhookUrl = null, billingMode = 'spot', labels = {} } = order;
  const wish = [
    name,
    productName,
    templateId,
    gpuNum,
    rootfsSize,
    region,
    billingMode,
    webhookUrl,
    null,
    'migrate',
    false,
    labels,
  ];
  return [id, TEAM, ...wish, now, new Date(now.getTime() + QUEUE_MS)];
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
