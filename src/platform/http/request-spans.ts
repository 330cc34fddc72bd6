import { type Context, context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const tracer = trace.getTracer('novita-gpu-instances');

/** Gives every request a span that continues its caller's trace. Called only where there is a tracer. */
export function traceRequests(instance: FastifyInstance): void {
  const contexts = new WeakMap<object, Context>();
  instance.addHook('onRequest', (request, reply, done) => {
    const started = startSpan(request, reply);
    contexts.set(request.raw, started);
    context.with(started, done);
  });
  // Reading a body goes on in the parser's own asynchronous context.
  instance.addHook('preValidation', (request, _reply, done) => {
    context.with(contexts.get(request.raw) ?? context.active(), done);
  });
}

function startSpan(request: FastifyRequest, reply: FastifyReply): Context {
  const parent = propagation.extract(context.active(), request.headers);
  const route = request.is404 ? null : (request.routeOptions.url ?? null);
  const attributes = {
    'http.request.method': request.method,
    'http.route': route ?? 'unmatched',
    'url.scheme': request.protocol,
    'gpusvc.request_id': String(request.id),
  };
  const name = `${request.method} ${route ?? 'unmatched'}`;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  reply.raw.once('close', () => {
    const status = reply.raw.statusCode;
    span.setAttribute('http.response.status_code', status);
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  });
  return trace.setSpan(parent, span);
}
