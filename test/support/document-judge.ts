import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { readFileSync } from 'node:fs';

type Json = Record<string, unknown>;

interface DocumentedResponse {
  readonly $ref?: string;
  readonly headers?: Json;
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

interface DocumentedOperation {
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}

export interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Json; readonly responses: Readonly<Record<string, DocumentedResponse>> };
}

export interface SeenAnswer {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface Route {
  readonly template: string;
  readonly expression: RegExp;
}

/** What an answer always carries where the document shows it; other headers depend on the request or the settings. */
const ALWAYS_SENT = new Set(['x-request-id', 'etag', 'www-authenticate', 'location', 'allow']);
const LIMITS = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'ratelimit-policy', 'ratelimit'];

/**
 * Holds answers against the document: a documented status, a documented type, the headers that it promises, and nothing in the
 * body that it does not show.
 */
export class DocumentJudge {
  private readonly ajv: Ajv2020;
  private readonly validators = new Map<string, ValidateFunction>();
  private readonly routes: readonly Route[];

  constructor(private readonly document: ApiDocument) {
    this.ajv = new Ajv2020({ strict: false, allErrors: true });
    (addFormats as unknown as (ajv: Ajv2020) => void)(this.ajv);
    this.ajv.addSchema(closed(document) as Json, 'document');
    this.routes = Object.keys(document.paths)
      .toSorted((a, b) => variables(a) - variables(b))
      .map((template) => ({ template, expression: new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`) }));
  }

  /** Of the document under review, which a test holds equal to the one that the service shows. */
  static ofReviewed(): DocumentJudge {
    return new DocumentJudge(JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as ApiDocument);
  }

  /** @throws when the answer is not what the document says; what no route serves is not in there. */
  uphold(seen: SeenAnswer): void {
    const isServed = this.operationOf(seen)[1] !== undefined || (seen.status < 300 && !seen.path.startsWith('/docs'));
    const problems = isServed ? this.judge(seen) : [];
    if (problems.length > 0) throw new Error(`An answer contradicts the document:\n${problems.join('\n')}`);
  }

  /** What is wrong with the answer, in words; empty when nothing is. */
  judge(seen: SeenAnswer): string[] {
    const [template, operation] = this.operationOf(seen);
    if (operation === undefined) return [`${seen.method} ${seen.path} is not in the document`];
    const key = String(seen.status) in operation.responses ? String(seen.status) : 'default';
    const documented = operation.responses[key];
    if (documented === undefined) return [`${seen.status} is not documented for ${seen.method} ${template}`];
    const at = documented.$ref ?? `#/paths/${escaped(template)}/${seen.method.toLowerCase()}/responses/${key}`;
    const response = documented.$ref ? this.shared(documented.$ref) : documented;
    return [...this.judgeHeaders(seen, response), ...this.judgeBody(seen, response, at)].map(
      (problem) => `${seen.method} ${template} ${seen.status}: ${problem}`,
    );
  }

  private operationOf({ method, path }: SeenAnswer): [string, DocumentedOperation | undefined] {
    const [bare = ''] = path.split('?', 1);
    const template = this.routes.find(({ expression }) => expression.test(bare))?.template ?? '';
    return [template, this.document.paths[template]?.[method.toLowerCase()]];
  }

  private shared(ref: string): DocumentedResponse {
    return this.document.components.responses[ref.replace('#/components/responses/', '')] ?? {};
  }

  private judgeHeaders({ status, headers }: SeenAnswer, { headers: documented = {} }: DocumentedResponse): string[] {
    const mine = /^(?:x-|retry-after|ratelimit|etag|location|www-authenticate|idempotency|preference)/;
    const isLimited = LIMITS.some((name) => headers.has(name));
    const isDue = (name: string) =>
      ALWAYS_SENT.has(name) || (name === 'retry-after' && status === 429) || (isLimited && LIMITS.includes(name));
    const known = new Set([
      ...Object.keys(documented).map((name) => name.toLowerCase()),
      'x-content-type-options',
      'x-frame-options',
    ]);
    const undocumented = [...headers.keys()].filter((name) => mine.test(name) && !known.has(name));
    const missing = [...known].filter((name) => isDue(name) && !headers.has(name));
    return [
      ...undocumented.map((name) => `the header ${name} is not documented`),
      ...missing.map((name) => `the header ${name} is missing`),
    ];
  }

  private judgeBody({ headers, text }: SeenAnswer, { content }: DocumentedResponse, at: string): string[] {
    const [type = ''] = (headers.get('content-type') ?? '').split(';', 1);
    if (text === '') return content === undefined ? [] : ['the body is empty'];
    if (content?.[type] === undefined) return [`the type ${type} is not documented`];
    if (type !== 'application/json') return [];
    const validate = this.validatorAt(`${at}/content/${escaped(type)}/schema`);
    return validate(JSON.parse(text))
      ? []
      : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
  }

  private validatorAt(pointer: string): ValidateFunction {
    const known = this.validators.get(pointer);
    if (known !== undefined) return known;
    const validate = this.ajv.compile({ $ref: `document${pointer}` });
    this.validators.set(pointer, validate);
    return validate;
  }
}

/** A copy in which objects hold what they show and nothing else, unless they say so. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const isOpenObject = 'properties' in copy && !('additionalProperties' in copy) && copy['type'] === 'object';
  return isOpenObject ? { ...copy, unevaluatedProperties: false } : copy;
}

function escaped(text: string): string {
  return encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'));
}

function variables(template: string): number {
  return template.split('{').length;
}
