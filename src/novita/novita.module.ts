import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Settings } from '../platform/config.js';
import { CallBudget } from './call-budget.js';
import { GateRepository } from './gate.repository.js';
import { NovitaClient } from './novita-client.js';
import { NovitaHttpClient } from './novita.http-client.js';
import { UpstreamMetrics } from './upstream-metrics.js';

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** An idle connection is not trusted for long: after a silence it would swallow the first calls that find it. */
const CONNECTIONS = { keepAlive: true, maxSockets: 64, timeout: 4000 };

@Module({
  imports: [
    HttpModule.registerAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        headers: {
          authorization: `Bearer ${settings.novitaApiKey ?? 'sandbox'}`,
          'content-type': 'application/json',
          // Library names are blocked by the gateway in front of the API (403, error 1010).
          'user-agent': 'novita-gpu-instances/1.0',
        },
        httpAgent: new HttpAgent(CONNECTIONS),
        httpsAgent: new HttpsAgent(CONNECTIONS),
        responseType: 'text',
        // Answers are parsed where they are read: an HTML page must not become an exception of its own.
        transformResponse: (data: string) => data,
        validateStatus: () => true,
        maxRedirects: 0,
        maxContentLength: MAX_ANSWER_BYTES,
      }),
    }),
  ],
  providers: [CallBudget, GateRepository, UpstreamMetrics, { provide: NovitaClient, useClass: NovitaHttpClient }],
  exports: [NovitaClient, CallBudget],
})
export class NovitaModule {}
