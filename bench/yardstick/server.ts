// The smallest honest server for the service's answers: Fastify with compiled schemas, pg with a pool and named statements.
import { fastify } from 'fastify';
import pg from 'pg';
import { type DetailsRow, phasesOf, type SummaryRow, toDetails, toSummary } from './answers.ts';
import { create, type Order } from './create.ts';
import { ACCEPTED, DETAILS, LIST, ORDER, PROBE } from './schemas.ts';
import { type Filter, FIND, FIND_BY_MACHINE, listStatements } from './sql.ts';

const TEAM = 'default';
const POOL_SIZE = 10;
const FILTERS = ['status', 'region', 'product', 'name'] as const;

const { DATABASE_URL: connectionString = '' } = process.env;
const pool = new pg.Pool({ connectionString, max: POOL_SIZE });
const app = fastify();

app.get('/health/live', { schema: { response: { 200: PROBE } } }, async () => ({ status: 'ok' }));

app.get<{ Params: { id: string } }>(
  '/api/instances/:id',
  { schema: { response: { 200: DETAILS } } },
  async ({ params }, reply) => {
    const row = (await findRow('find', FIND, params.id)) ?? (await findRow('machine', FIND_BY_MACHINE, params.id));
    if (row === undefined) return reply.code(404).send();
    reply.header('etag', `"${row.version}-${row.placementId}-${row.machineVersion}"`);
    return toDetails(row);
  },
);

app.get<{ Querystring: Filter & { limit?: string; offset?: string } }>(
  '/api/instances',
  { schema: { response: { 200: LIST } } },
  async ({ query }) => {
    const [limit, offset] = [Number(query.limit ?? 50), Number(query.offset ?? 0)];
    const filters = FILTERS.filter((filter) => query[filter] !== undefined);
    const values = [
      TEAM,
      ...filters.map((filter) => (filter === 'status' ? phasesOf(query.status ?? '') : query[filter])),
    ];
    const { page, count } = listStatements(filters);
    const [rows, counted] = await Promise.all([
      pool.query<SummaryRow>({ ...page, values: [...values, limit, offset] }),
      pool.query<{ total: number }>({ ...count, values }),
    ]);
    return { instances: rows.rows.map(toSummary), total: counted.rows[0]?.total ?? 0, limit, offset };
  },
);

app.post<{ Body: Order }>(
  '/api/instances',
  { schema: { body: ORDER, response: { 201: ACCEPTED } } },
  async ({ body, headers }, reply) => {
    const answer = await create(pool, body, String(headers['idempotency-key']));
    return reply.code(201).type('application/json; charset=utf-8').serializer(asItIs).send(answer);
  },
);

async function findRow(name: string, text: string, id: string): Promise<DetailsRow | undefined> {
  return (await pool.query<DetailsRow>({ name, text, values: [id, TEAM] })).rows[0];
}

function asItIs(answer: unknown): string {
  return answer as string;
}

const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.send?.({ url });
process.once('disconnect', () => process.exit(0));
