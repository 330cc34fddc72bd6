/** The examples of the published API description, word for word; what the service answers is compared with their shape. */

export const HEALTH = {
  status: 'healthy',
  timestamp: '2024-01-15T10:30:00.000Z',
  uptime: 3600,
  dependencies: { novitaApi: 'healthy', cache: 'healthy' },
  version: '1.0.0',
};

export const CREATE_REQUEST = {
  name: 'my-gpu-instance',
  productName: 'RTX 4090 24GB',
  templateId: 'template-123',
  gpuNum: 1,
  rootfsSize: 60,
  region: 'CN-HK-01',
  webhookUrl: 'https://your-app.com/webhook',
};

export const CREATE_ANSWER = {
  instanceId: 'inst-abc123',
  status: 'creating',
  message: 'Instance creation initiated',
  estimatedReadyTime: '2024-01-15T10:35:00.000Z',
};

export const DETAILS = {
  id: 'inst-abc123',
  name: 'my-gpu-instance',
  status: 'running',
  gpuNum: 1,
  region: 'CN-HK-01',
  portMappings: [
    { port: 8888, endpoint: 'https://inst-abc123.novita.ai:8888', type: 'jupyter' },
    { port: 22, endpoint: 'ssh://inst-abc123.novita.ai:22', type: 'ssh' },
  ],
  connectionDetails: {
    ssh: 'ssh root@inst-abc123.novita.ai',
    jupyter: 'https://inst-abc123.novita.ai:8888',
    webTerminal: 'https://inst-abc123.novita.ai:7681',
  },
  createdAt: '2024-01-15T10:30:00.000Z',
  readyAt: '2024-01-15T10:33:45.000Z',
};

export const LIST = {
  instances: [
    {
      id: 'inst-abc123',
      name: 'my-gpu-instance',
      status: 'running',
      gpuNum: 1,
      region: 'CN-HK-01',
      createdAt: '2024-01-15T10:30:00.000Z',
      readyAt: '2024-01-15T10:33:45.000Z',
    },
  ],
  total: 1,
  limit: 50,
  offset: 0,
};

export const METRICS = {
  requests: { total: 1250, successful: 1180, failed: 70, averageResponseTime: 245 },
  instances: { total: 15, creating: 2, running: 10, failed: 3 },
  jobs: { pending: 5, processing: 2, completed: 1200, failed: 48 },
  cache: { hits: 850, misses: 400, hitRate: 0.68 },
  system: { uptime: 86400, memoryUsage: { used: 256, total: 512, percentage: 50 } },
};

export const WEBHOOK_SUCCESS = {
  event: 'instance.ready',
  instanceId: 'inst-abc123',
  status: 'running',
  timestamp: '2024-01-15T10:33:45.000Z',
  instance: {
    id: 'inst-abc123',
    name: 'my-gpu-instance',
    connectionDetails: {
      ssh: 'ssh root@inst-abc123.novita.ai',
      jupyter: 'https://inst-abc123.novita.ai:8888',
    },
  },
};

export const WEBHOOK_FAILURE = {
  event: 'instance.failed',
  instanceId: 'inst-abc123',
  status: 'failed',
  timestamp: '2024-01-15T10:40:00.000Z',
  error: { code: 'STARTUP_TIMEOUT', message: 'Instance failed to start within 10 minutes' },
};

export const ERROR = {
  error: {
    code: 'VALIDATION_ERROR',
    message: 'Invalid request parameters',
    details: { field: 'productName', reason: 'Product name is required' },
    timestamp: '2024-01-15T10:30:00.000Z',
    requestId: 'req-xyz789',
  },
};
