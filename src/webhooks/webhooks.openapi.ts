import type { OpenAPIObject } from '@nestjs/swagger';
import { NOTIFIED_TYPES, type NotifiedType } from '../events/event.js';

type Webhooks = NonNullable<OpenAPIObject['webhooks']>;
type Operation = NonNullable<Webhooks[string]['post']>;
type Schema = Extract<NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string], { type?: unknown }>;

const INSTANCE = {
  id: 'inst-abc123',
  name: 'my-gpu-instance',
  connectionDetails: { ssh: 'ssh root@inst-abc123.novita.ai', jupyter: 'https://inst-abc123.novita.ai:8888' },
};
const MIGRATION = { reason: 'spot_reclaim', triggeredBy: 'automatic_migration', migrationTime: 45000 };
const TIMESTAMP = '2024-01-15T10:33:45.000Z';

interface Told {
  readonly says: string;
  readonly status: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly migration?: Readonly<Record<string, unknown>>;
}

/** What each event means to a receiver, with the body it gets. */
const TOLD: Partial<Record<NotifiedType, Told>> = {
  'instance.ready': { says: 'The instance is up and answers.', status: 'running' },
  'instance.failed': {
    says: 'The instance could not be brought up. Nothing of it bills any more.',
    status: 'failed',
    error: { code: 'STARTUP_TIMEOUT', message: 'Instance failed to start within 10 minutes' },
  },
  'instance.migrated': {
    says: 'The instance runs on another machine. It keeps its id; its ways in are new.',
    status: 'running',
    migration: MIGRATION,
  },
  'instance.reclaim_notice': {
    says: 'The provider takes the spot machine away at an announced time.',
    status: 'running',
  },
  'instance.migration_failed': {
    says: 'An attempt to bring the instance back has failed. Another one follows, or instance.failed.',
    status: 'exited',
    error: { code: 'NO_CAPACITY', message: 'No machine of this kind is to be had' },
  },
  'instance.stopped': { says: 'The instance was stopped.', status: 'stopped' },
  'instance.started': { says: 'The stopped instance is up again; its ways in are new.', status: 'running' },
  'instance.exited': { says: 'The instance lost its machine, and not by its user’s wish.', status: 'exited' },
  'instance.deleted': { says: 'The instance is gone and nothing of it bills any more.', status: 'exited' },
};

const OTHERWISE: Told = { says: 'See the name of the event.', status: 'running' };

/** One entry for each event that receivers are told about. */
export function webhookOperations(): Webhooks {
  return Object.fromEntries(NOTIFIED_TYPES.map((type) => [type, { post: operationFor(type) }]));
}

function operationFor(type: NotifiedType): Operation {
  const told = TOLD[type] ?? OTHERWISE;
  return {
    operationId: `on${type.split(/[._]/).map(capitalized).join('')}`,
    summary: type,
    description: `${told.says} Sent at least once: tell repetitions by \`webhook-id\`, and ignore a lower \`webhook-sequence\` of the same instance.`,
    tags: ['webhooks'],
    security: [],
    parameters: HEADERS.map(([name, description, example]) => ({
      name,
      in: 'header',
      description,
      required: name !== 'webhook-signature',
      schema: { type: 'string' },
      example,
    })),
    requestBody: {
      required: true,
      content: { 'application/json': { schema: schemaFor(type), example: exampleFor(type) } },
    },
    responses: {
      '2XX': { description: 'Taken' },
      '4XX': { description: 'Not taken; tried again later' },
      '5XX': { description: 'Not taken; tried again later' },
    },
  };
}

const HEADERS: readonly (readonly [name: string, description: string, example: string])[] = [
  ['webhook-id', 'One for each event, the same on every try', 'evt_01HM6Y0V5ZJ8Q3M4N5P6R7S8T9'],
  ['webhook-timestamp', 'When this try was made, in epoch seconds', '1705314825'],
  [
    'webhook-signature',
    'By Standard Webhooks; absent while no secret is set',
    'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
  ],
  ['webhook-sequence', 'Counts the events of an instance from 1', '4'],
  ['webhook-attempt', 'Counts the tries from 1', '1'],
];

function schemaFor(type: NotifiedType): Schema {
  const { error, migration } = TOLD[type] ?? OTHERWISE;
  const text = { type: 'string' } as const;
  const properties: Record<string, Schema> = {
    event: { ...text, enum: [type] },
    instanceId: text,
    ...(type === 'instance.migrated' && { originalInstanceId: text }),
    status: text,
    timestamp: { ...text, format: 'date-time' },
    ...(error && {
      error: { type: 'object', required: ['code', 'message'], properties: { code: text, message: text } },
    }),
    ...(migration && { migration: { type: 'object', additionalProperties: true } }),
    ...(type === 'instance.reclaim_notice' && { reclaim: { type: 'object', additionalProperties: true } as const }),
    ...(type !== 'instance.failed' && { instance: INSTANCE_SCHEMA }),
  };
  const optional = ['error', 'migration', 'reclaim'];
  return { type: 'object', required: Object.keys(properties).filter((name) => !optional.includes(name)), properties };
}

const INSTANCE_SCHEMA: Schema = {
  type: 'object',
  required: ['id', 'name'],
  properties: {
    id: { type: 'string' },
    name: { type: 'string' },
    connectionDetails: { type: 'object', properties: { ssh: { type: 'string' }, jupyter: { type: 'string' } } },
  },
};

function exampleFor(type: NotifiedType): Record<string, unknown> {
  const { status, error, migration } = TOLD[type] ?? OTHERWISE;
  const { id } = INSTANCE;
  return {
    event: type,
    instanceId: id,
    ...(type === 'instance.migrated' && { originalInstanceId: id }),
    status,
    timestamp: TIMESTAMP,
    ...(error && { error }),
    ...(migration && { migration }),
    ...(type !== 'instance.failed' && { instance: INSTANCE }),
  };
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
