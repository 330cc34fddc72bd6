import { getSchemaPath, type OpenAPIObject } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import { answerForStatus } from './error-answer.js';
import { toErrorBody } from './error-body.js';
import { exampleOf, type SchemaOrRef } from './openapi-example.js';

type Paths = OpenAPIObject['paths'];
type PathItem = Paths[string];
export type Operation = NonNullable<PathItem['get']>;
type Response = NonNullable<Operation['responses'][string]>;
type InlineResponse = Exclude<Response, { $ref: string }>;
type Headers = NonNullable<InlineResponse['headers']>;

/** The calls that this service makes, by the name of their event. */
export type WebhookOperations = NonNullable<OpenAPIObject['webhooks']>;

const TAGS: Record<string, string> = {
  instances: 'Order GPU instances, follow them, stop, start and end them.',
  events: 'What happened to instances, in order and without a gap.',
  webhooks: 'Receivers of events, what they were sent and what they have not taken yet.',
  migration: 'Moves of spot instances that were reclaimed.',
  keys: 'API keys of teams: made, rotated and revoked by administrators.',
  audit: 'Who changed what and when.',
  metrics: 'Figures for people and for Prometheus.',
  health: 'Probes for orchestrators. They need no key and count against no limit.',
};

/** Any request can be refused like this, before anybody looks at what it asks for. */
const ANYWHERE = [400, 414, 431, 500, 503];
const BELOW_API = [406, 429];
const WITH_BODY = [413, 415];
/** 429 outside of /api: too many wrong keys. */
const WITH_KEY = [401, 403, 429];
/** Of parameters that stand in many paths; any other is called by its own name. */
const WORDS: Record<string, string> = {
  instanceId: 'The id of the instance, or the provider’s id of any machine it has had',
  status: 'Only those in this state',
};
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const REQUEST_ID = { description: 'Names this request in logs and errors', schema: { type: 'string' as const } };
const OWN_HEADERS: Record<number, Headers> = {
  401: { 'WWW-Authenticate': { description: 'How to authenticate', schema: { type: 'string' } } },
  429: { 'Retry-After': { description: 'Seconds until the next try can succeed', schema: { type: 'integer' } } },
  503: { 'Retry-After': { description: 'Seconds until the next try may succeed', schema: { type: 'integer' } } },
};

/** Adds what holds for every operation, so that no controller has to repeat it: common refusals, headers, examples, tags. */
export function finishDocument(document: OpenAPIObject, webhooks: WebhookOperations): OpenAPIObject {
  document.info.contact ??= { name: 'The team that runs this service' };
  document.security ??= [];
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    operationsOf(item).map((operation) => ({ path, operation })),
  );
  for (const { path, operation } of operations) {
    describeInWords(operation);
    addRefusals(document, operation, path);
    addHeaders(operation);
    addExamples(document, operation);
  }
  const used = [...new Set(operations.flatMap(({ operation }) => operation.tags ?? []))].toSorted();
  document.tags = used.map((name) => ({ name, description: TAGS[name] ?? `Operations on ${name}.` }));
  if (Object.keys(webhooks).length > 0) document.webhooks = webhooks;
  return document;
}

export function operationsOf(item: PathItem): Operation[] {
  return METHODS.flatMap((method) => item[method] ?? []);
}

/** The comment of a method is its description; up to its first stop it is the summary that lists show. */
function describeInWords(operation: Operation): void {
  const text = operation.description ?? operation.summary ?? '';
  operation.summary = (operation.summary ?? '').split(/[.;:]/, 1)[0] ?? '';
  operation.description = text;
  for (const parameter of operation.parameters ?? []) {
    if ('$ref' in parameter || parameter.description !== undefined) continue;
    parameter.description = WORDS[parameter.name] ?? inWords(parameter.name);
  }
}

/** `deliveryId` → `Delivery id`. */
function inWords(name: string): string {
  const words = name.replace(/([a-z])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function addRefusals(document: OpenAPIObject, operation: Operation, path: string): void {
  const statuses = [
    ...ANYWHERE,
    ...(path.startsWith('/api') ? BELOW_API : []),
    ...(operation.requestBody === undefined ? [] : WITH_BODY),
    ...(path.includes('{') ? [404] : []),
    ...((operation.security ?? []).length > 0 ? WITH_KEY : []),
  ];
  const common = operation.responses['default'];
  const headers = (common && !('$ref' in common) && common.headers) || {};
  for (const status of statuses)
    operation.responses[status] ??= { $ref: sharedResponse(document, status, path, headers) };
}

/** One component for each status below /api, where limits show, and one elsewhere. */
function sharedResponse(document: OpenAPIObject, status: number, path: string, headers: Headers): string {
  const words = (STATUS_CODES[status] ?? '').replace(/[^A-Za-z]/g, '');
  const name = path.startsWith('/api') ? words : `${words}Unlimited`;
  const components = (document.components ??= {});
  const responses = (components.responses ??= {});
  responses[name] ??= {
    description: answerForStatus(status).message,
    headers: { 'X-Request-Id': REQUEST_ID, ...headers, ...OWN_HEADERS[status] },
    content: {
      'application/json': { schema: { $ref: getSchemaPath('ErrorResponse') }, example: errorExample(status) },
    },
  };
  return `#/components/responses/${name}`;
}

function errorExample(status: number): unknown {
  return toErrorBody(answerForStatus(status), 'req-xyz789', new Date('2024-01-15T10:30:00.000Z'));
}

function addHeaders(operation: Operation): void {
  for (const [status, response] of Object.entries(operation.responses)) {
    if (!response || '$ref' in response) continue;
    response.headers = {
      'X-Request-Id': REQUEST_ID,
      ...response.headers,
      ...OWN_HEADERS[Number(status)],
    };
  }
}

function addExamples(document: OpenAPIObject, operation: Operation): void {
  const schemas = document.components?.schemas ?? {};
  const bodies = [operation.requestBody, ...Object.values(operation.responses)];
  for (const [index, body] of bodies.entries()) {
    if (!body || '$ref' in body) continue;
    const media = body.content?.['application/json'];
    if (!media?.schema || media.example !== undefined || media.examples !== undefined) continue;
    const status = Number(Object.keys(operation.responses)[index - 1]);
    media.example = isError(media.schema) ? errorExample(status || 500) : exampleOf(media.schema, schemas);
  }
}

function isError(schema: SchemaOrRef): boolean {
  return '$ref' in schema && schema.$ref === getSchemaPath('ErrorResponse');
}
