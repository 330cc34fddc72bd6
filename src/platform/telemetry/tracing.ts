import { context, propagation, trace } from '@opentelemetry/api';
import { VERSION } from '../version.js';

const EXPORT_TIMEOUT_MS = 2000;

export interface Tracing {
  /** Sends what is left; never throws, a collector that is away is no reason to stay. */
  stop(): Promise<void>;
}

export interface TracingSettings {
  /** Where the collector takes OTLP over HTTP; null: no traces, and nothing of the SDK is loaded. */
  readonly otlpEndpoint: string | null;
  readonly otelServiceName: string;
  /** Which part of the traces that begin here is kept, 0 to 1; a caller's own decision is followed. */
  readonly otelSampleRatio: number;
  readonly replicaId: string;
}

/** Registers the tracer for this process. The exporter itself reads the OTEL_EXPORTER_OTLP_… variables of the specification. */
export async function startTracing(settings: TracingSettings): Promise<Tracing | null> {
  if (settings.otlpEndpoint === null) return null;
  // Loaded only here: start-up time that nobody without a collector should pay.
  const [{ OTLPTraceExporter }, sdk, { AsyncLocalStorageContextManager }, core, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter({ timeoutMillis: EXPORT_TIMEOUT_MS });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.name': settings.otelServiceName,
      'service.version': VERSION,
      'service.instance.id': settings.replicaId,
    }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(settings.otelSampleRatio) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return { stop: () => provider.shutdown().catch(() => undefined) };
}
