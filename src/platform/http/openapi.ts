import { applyDecorators, type INestApplication } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  DocumentBuilder,
  getSchemaPath,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';
import { answerForStatus } from './error-answer.js';
import { finishDocument, type Operation, operationsOf, type WebhookOperations } from './openapi-finish.js';

class ErrorDetail {
  @ApiProperty({ type: String, description: 'What happened, for programs', example: 'VALIDATION_ERROR' })
  code!: string;

  @ApiProperty({ type: String, description: 'What happened, for people', example: 'Invalid request parameters' })
  message!: string;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'What exactly: for a refused request its first failure as `field` and `reason`, and all as `failures`',
    example: { field: 'productName', reason: 'Product name is required' },
  })
  details?: Record<string, unknown>;

  @ApiProperty({ type: String, format: 'date-time', example: '2024-01-15T10:30:00.000Z' })
  timestamp!: string;

  @ApiProperty({ type: String, description: 'The same as the header X-Request-Id', example: 'req-xyz789' })
  requestId!: string;
}

export class ErrorResponse {
  @ApiProperty({ type: ErrorDetail })
  error!: ErrorDetail;
}

const TITLE = 'Novita GPU Instance API';

/** Documents error answers of an operation; all of them have the one shape. */
export function ApiErrors(...statuses: number[]): ClassDecorator & MethodDecorator {
  return applyDecorators(
    ApiExtraModels(ErrorResponse),
    ...statuses.map((status) => ApiResponse({ status, description: describe(status), type: ErrorResponse })),
  );
}

export interface OpenApiSettings {
  version: string;
  /** What the @nestjs/swagger plugin found at build time: the `default` function of the generated `metadata` file. */
  pluginMetadata?: () => Promise<Record<string, unknown>>;
  /** What receivers are told, by event. */
  webhooks?: WebhookOperations;
}

/** The document at /docs/openapi.json and a page to read and try it at /docs; both come whole from this service. */
export async function setUpOpenApi(app: INestApplication, settings: OpenApiSettings): Promise<void> {
  if (settings.pluginMetadata) await SwaggerModule.loadPluginMetadata(settings.pluginMetadata);
  // Made when it is first asked for: it takes longer than many other things of a start together.
  SwaggerModule.setup('docs', app, () => createOpenApiDocument(app, settings), {
    jsonDocumentUrl: 'docs/openapi.json',
    raw: ['json'],
    customSiteTitle: TITLE,
    // Swagger UI would otherwise ask a validator on the internet about documents on public hosts.
    swaggerOptions: { validatorUrl: null },
  });
}

export function createOpenApiDocument(
  app: INestApplication,
  { version, webhooks = {} }: OpenApiSettings,
): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(TITLE)
    .setDescription('Creates Novita.ai GPU instances, watches them, and moves reclaimed spot instances.')
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addServer('/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key' }, 'bearer')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (_controller, method) => method,
    extraModels: [ErrorResponse],
  });
  for (const [path, item] of Object.entries(document.paths)) {
    for (const operation of operationsOf(item)) describeCommonAnswers(operation, path);
  }
  return finishDocument(document, webhooks);
}

/** Any operation can be refused in ways that are not its own (406, 414, 431 …); and all of /api shows its limits. */
function describeCommonAnswers(operation: Operation, path: string): void {
  const content = { 'application/json': { schema: { $ref: getSchemaPath(ErrorResponse) } } };
  operation.responses = {
    ...operation.responses,
    ...(path.startsWith('/api') && { 429: { description: describe(429), content } }),
    default: { description: 'Any other error', content },
  };
  addHeadersOfFeatures(operation);
  if (!path.startsWith('/api')) return;
  for (const response of Object.values(operation.responses)) {
    if (response && !('$ref' in response)) response.headers = { ...response.headers, ...rateLimitHeaders() };
  }
}

const TEXT = { type: 'string' as const };

/** A request header that an operation heeds, and what then stands in the answers with these statuses. */
const FEATURES = [
  {
    asks: 'idempotency-key',
    statuses: /^2/,
    answers: {
      'Idempotency-Replayed': {
        description: '`true` when this is the answer to an earlier request with the same Idempotency-Key',
        schema: { ...TEXT, enum: ['true'] },
      },
    },
  },
  {
    asks: 'idempotency-key',
    statuses: /^409$/,
    answers: {
      'Retry-After': {
        description: 'With `IDEMPOTENCY_KEY_IN_FLIGHT`: seconds until the other request may be answered',
        schema: { type: 'integer' as const },
      },
    },
  },
  {
    asks: 'prefer',
    statuses: /^2/,
    answers: { 'Preference-Applied': { description: 'The wait that was heeded', schema: TEXT } },
  },
  {
    asks: 'if-none-match',
    statuses: /^(?:200|304)$/,
    answers: {
      ETag: { description: 'Names this answer; send it as If-None-Match to learn whether it changed', schema: TEXT },
    },
  },
];

function addHeadersOfFeatures({ parameters = [], responses }: Operation): void {
  const asked = parameters.flatMap((one) => ('$ref' in one || one.in !== 'header' ? [] : [one.name.toLowerCase()]));
  for (const { statuses, answers } of FEATURES.filter(({ asks }) => asked.includes(asks))) {
    for (const [status, response] of Object.entries(responses))
      if (response && !('$ref' in response) && statuses.test(status))
        response.headers = { ...response.headers, ...answers };
  }
}

function rateLimitHeaders(): Record<string, { description: string; schema: { type: 'integer' | 'string' } }> {
  return {
    'X-RateLimit-Limit': { description: 'How many requests the tightest limit lets in', schema: { type: 'integer' } },
    'X-RateLimit-Remaining': { description: 'How many of them are left', schema: { type: 'integer' } },
    'X-RateLimit-Reset': { description: 'When its window ends, in epoch seconds', schema: { type: 'integer' } },
    'RateLimit-Policy': {
      description: 'Every limit that applies: `q` requests in `w` seconds (draft-ietf-httpapi-ratelimit-headers)',
      schema: { type: 'string' },
    },
    RateLimit: {
      description:
        'What is left of each: `r` requests for `t` seconds; counted for the key, or without one for the address',
      schema: { type: 'string' },
    },
  };
}

function describe(status: number): string {
  return answerForStatus(status).message;
}
