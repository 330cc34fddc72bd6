import { type Attributes, context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';

const KINDS = { consumer: SpanKind.CONSUMER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };
const tracer = trace.getTracer('novita-gpu-instances');

export interface SpanOptions {
  readonly kind: keyof typeof KINDS;
  readonly attributes?: Attributes;
}

/** Does the work inside a span; without a tracer (see tracing.ts) it only does the work. */
export function inSpan<T>(name: string, { kind, attributes = {} }: SpanOptions, work: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, { kind: KINDS[kind], attributes }, async (span) => {
    try {
      return await work();
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The headers that let a callee continue the current trace; none when there is no trace. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

/** The error's class alone: its message may hold what must not leave. */
function markFailed(span: Span, error: unknown): void {
  const name = error instanceof Error ? error.constructor.name : 'unknown';
  span.setAttribute('error.type', name);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
