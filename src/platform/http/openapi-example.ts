import type { OpenAPIObject } from '@nestjs/swagger';

export type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;
export type SchemaOrRef = Schemas[string];

const DEEPEST = 8;

/** An example of a schema, put together from the examples, defaults and choices of its parts; undefined when nothing is known. */
export function exampleOf(schema: SchemaOrRef, schemas: Schemas, depth = 0): unknown {
  if ('$ref' in schema) {
    const target = schemas[schema.$ref.replace('#/components/schemas/', '')];
    return target && depth < DEEPEST ? exampleOf(target, schemas, depth + 1) : undefined;
  }
  const given: unknown = schema.example ?? schema.default ?? schema.enum?.[0];
  if (given !== undefined) return given;
  if (schema.allOf)
    return Object.assign({}, ...schema.allOf.map((part) => exampleOf(part, schemas, depth + 1))) as object;
  if (schema.oneOf?.[0]) return exampleOf(schema.oneOf[0], schemas, depth + 1);
  if (schema.anyOf?.[0]) return exampleOf(schema.anyOf[0], schemas, depth + 1);
  if (schema.properties) return exampleOfObject(schema.properties, schemas, depth);
  if (schema.items) return [exampleOf(schema.items, schemas, depth + 1)].filter((item) => item !== undefined);
  return exampleOfPlain(schema);
}

function exampleOfObject(properties: Schemas, schemas: Schemas, depth: number): object {
  const entries = Object.entries(properties).map(([name, part]) => [name, exampleOf(part, schemas, depth + 1)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as object;
}

function exampleOfPlain({ type, format, minimum }: Exclude<SchemaOrRef, { $ref: string }>): unknown {
  switch ([type].flat()[0]) {
    case 'string':
      if (format === 'date-time') return '2024-01-15T10:30:00.000Z';
      return format === 'uri' ? 'https://your-app.com/webhook' : 'text';
    case 'integer':
    case 'number':
      return typeof minimum === 'number' ? minimum : 1;
    case 'boolean':
      return false;
    case 'object':
      return {};
    default:
      return undefined;
  }
}
