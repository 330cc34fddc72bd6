import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { asErrorBody } from '../http/error-shape.js';
import { World } from '../support/world.js';

interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly properties?: Record<string, Schema>;
  readonly required?: readonly string[];
  readonly example?: unknown;
  readonly nullable?: boolean;
  readonly type?: string | readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
}

interface ApiDocument {
  readonly paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

/** One optional field that is null, in a body that is otherwise good. */
interface Vector {
  readonly id: string;
  readonly field: string;
  readonly body: unknown;
}

let world: World;
let document: ApiDocument;

beforeAll(async () => {
  world = await World.start();
  document = (await (await fetch(`${world.service.url}/docs/openapi.json`)).json()) as ApiDocument;
});
afterAll(() => world.stop());

function resolved(schema: Schema): Schema {
  const ref = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (ref === undefined) return schema;
  return document.components.schemas[ref.split('/').at(-1) ?? ''] ?? {};
}

function exampleOf(schema: Schema): unknown {
  if (schema.example !== undefined) return schema.example;
  const { properties = {}, required = [], ...plain } = resolved(schema);
  if (plain.type === 'array') return [plain.items?.enum?.[0] ?? 'text'];
  return Object.fromEntries(required.map((name) => [name, exampleOf(properties[name] ?? {})]));
}

function* bodiesWithNull(schema: Schema): Generator<{ field: string; body: object }> {
  const { properties = {}, required = [] } = resolved(schema);
  const rest = Object.fromEntries(required.map((name) => [name, exampleOf(properties[name] ?? {})]));
  for (const [field, property] of Object.entries(properties)) {
    if (!required.includes(field)) yield { field, body: { ...rest, [field]: null } };
    for (const inner of bodiesWithNull(property))
      yield { field: `${field}.${inner.field}`, body: { ...rest, [field]: inner.body } };
  }
}

function vectors(): Vector[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, { requestBody }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      if (schema === undefined) return [];
      const id = `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, 'none')}`;
      return [...bodiesWithNull(schema)].map((vector) => ({ id, ...vector }));
    }),
  );
}

describe('null for a field that may be absent', () => {
  it('is refused in every field of every operation, by its name', async () => {
    const all = vectors();
    const seen: unknown[] = [];
    for (const { id, field, body } of all) {
      const [method = '', path = ''] = id.split(' ');
      const response = await fetch(world.service.url + path, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const { error } = asErrorBody(await response.text());
      seen.push([id, field, response.status, error.code, error.details?.['field']]);
    }

    expect(all.length).toBeGreaterThan(25);
    expect(seen).toEqual(all.map(({ id, field }) => [id, field, 400, 'VALIDATION_ERROR', field]));
  });
});
