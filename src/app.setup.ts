import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import pluginMetadata from './generated/metadata.js';
import { KeyAuthenticator } from './keys/key-authenticator.js';
import { isLoopback } from './keys/open-address.js';
import { TrafficCounts } from './metrics/traffic-counts.js';
import { HttpMetrics } from './metrics/http-metrics.js';
import { secretsIn, type Settings } from './platform/config.js';
import { ALIVE, LIVENESS_PATH } from './health/health.controller.js';
import { Draining } from './platform/draining.js';
import { configureHttp, createFastifyAdapter } from './platform/http/configure-http.js';
import { closeConnectionsWhile } from './platform/http/draining-answers.js';
import { createOpenApiDocument, type OpenApiSettings, setUpOpenApi } from './platform/http/openapi.js';
import { traceRequests } from './platform/http/request-spans.js';
import { API_KEY_PATTERN } from './platform/http/auth/api-key.js';
import { AuditEscort } from './platform/http/audit/audit-escort.js';
import { AuditTrail } from './platform/http/audit/audit-trail.js';
import { SharedRateLimits } from './platform/http/rate-limit/shared-rate-limits.js';
import { createLogging } from './platform/logging/logging.js';
import { nestLogger } from './platform/logging/logging.module.js';
import { VERSION } from './platform/version.js';
import { webhookOperations } from './webhooks/webhooks.openapi.js';

const OPEN_API: OpenApiSettings = { version: VERSION, pluginMetadata, webhooks: webhookOperations() };

/** The whole application, configured but not listening yet; tests call this too. */
export async function createApp(settings: Settings): Promise<NestFastifyApplication> {
  const logging = createLogging({
    level: settings.logLevel,
    base: { service: 'novita-gpu-instances', replica: settings.replicaId.slice(0, 8) },
  });
  for (const secret of secretsIn(settings)) logging.scrubber.register(secret);
  logging.scrubber.registerPattern(API_KEY_PATTERN);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(settings, logging),
    createFastifyAdapter(settings),
    {
      logger: nestLogger(logging),
      abortOnError: false,
    },
  );
  const traffic = app.get(TrafficCounts);
  const metrics = app.get(HttpMetrics);
  const draining = app.get(Draining);
  const fastify = app.getHttpAdapter().getInstance();
  closeConnectionsWhile(() => draining.isOn, fastify);
  if (settings.otlpEndpoint !== null) traceRequests(fastify);
  app.get(AuditEscort).joinRequestsOf(fastify);
  const trail = app.get(AuditTrail);
  configureHttp(app, {
    trustedProxies: settings.trustedProxies,
    rateLimit: {
      enabled: settings.rateLimitEnabled,
      createPerMinute: settings.rateLimitCreatePerMinute,
      statusPerMinute: settings.rateLimitStatusPerMinute,
      generalPerHour: settings.rateLimitGeneralPerHour,
    },
    log: logging.root,
    onFinished: (finished) => {
      traffic.note(finished);
      metrics.note(finished);
    },
    authenticator: app.get(KeyAuthenticator),
    openTo: isLoopback(settings.host) ? 'loopback' : 'network',
    rateLimitStorage: app.get(SharedRateLimits),
    standingAnswers: [{ path: LIVENESS_PATH, body: ALIVE }],
    // While the process drains, callers are told to connect anew; and with traces there is a span for every request.
    mayAnswerAhead: () => !draining.isOn && settings.otlpEndpoint === null,
    onAttempt: (entry) => trail.note(entry),
  });
  await setUpOpenApi(app, OPEN_API);
  return app;
}

/** The document that the service would serve, without a database or a provider. */
export async function describeApi(settings: Settings): Promise<OpenAPIObject> {
  const app = await createApp(settings);
  return createOpenApiDocument(app, OPEN_API);
}
