const text = { type: 'string' };
const whole = { type: 'integer' };

const summary = {
  id: text,
  name: text,
  status: text,
  phase: text,
  gpuNum: whole,
  region: text,
  productName: text,
  billingMode: text,
  labels: { type: 'object', additionalProperties: text },
  createdAt: text,
  readyAt: text,
  deletedAt: text,
};

const machine = { region: text, productId: text, billingMode: text, pricePerHourUsd: text, novitaId: text };

export const DETAILS = {
  type: 'object',
  properties: {
    ...summary,
    // Where the service's answer has it: the machine is told before the ways into it.
    machine: { type: 'object', properties: machine },
    portMappings: { type: 'array', items: { type: 'object', properties: { port: whole, endpoint: text, type: text } } },
    connectionDetails: {
      type: 'object',
      properties: { ssh: text, sshPassword: text, jupyter: text, webTerminal: text },
    },
    templateId: text,
    rootfsSize: whole,
    spotPolicy: text,
    fallbackToOnDemand: { type: 'boolean' },
    webhookUrl: text,
    readiness: { type: 'object', properties: { port: whole, path: text, timeoutSeconds: whole } },
    statusReason: { type: 'object', properties: { code: text, message: text } },
    nextCheckAt: text,
  },
};

export const LIST = {
  type: 'object',
  properties: {
    instances: { type: 'array', items: { type: 'object', properties: summary } },
    total: whole,
    limit: whole,
    offset: whole,
  },
};

export const ACCEPTED = {
  type: 'object',
  properties: { instanceId: text, status: text, message: text, estimatedReadyTime: text },
};

export const PROBE = { type: 'object', properties: { status: text } };

/** What an order is checked against, by Fastify's own validator. */
export const ORDER = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'productName', 'templateId'],
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 255, pattern: '\\S' },
    productName: { type: 'string', minLength: 1, maxLength: 255 },
    templateId: { type: 'string', minLength: 1, maxLength: 255 },
    gpuNum: { type: 'integer', minimum: 1, maximum: 8 },
    rootfsSize: { type: 'integer', minimum: 10, maximum: 6144 },
    region: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,63}$' },
    webhookUrl: { type: 'string', maxLength: 2000 },
    billingMode: { type: 'string', enum: ['spot', 'onDemand'] },
    labels: { type: 'object', additionalProperties: text, maxProperties: 20 },
  },
};
