import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { control } from './control.ts';
import type { Fault, Strike } from './faults.ts';
import { answerApplication } from './machine-application.ts';
import { invalidParameter, Refusal } from './refusal.ts';
import type { Route } from './routes.ts';
import { ROUTES } from './routes.ts';
import type { Sandbox } from './sandbox.ts';
import { answer, closeAbruptly, hang, HTML_PAGE, truncated } from './sending.ts';

export const BASE_PATH = '/gpu-instance/openapi/v1';
const CONTROL_PATH = '/__sandbox';
const MACHINE_PATH = '/__machine/';
const MAX_BODY_BYTES = 4 * 1024 * 1024;

export function createSandboxServer(sandbox: Sandbox): Server {
  const server = createServer((request, response) => {
    handle(request, response, sandbox).catch((error: unknown) => answerError(response, error));
  });
  // Longer than a client pauses between polls: a connection that ends under a request would be a fault nobody asked for.
  server.keepAliveTimeout = 120_000;
  return server;
}

async function handle(request: IncomingMessage, response: ServerResponse, sandbox: Sandbox): Promise<void> {
  const [path = '', search = ''] = (request.url ?? '').split('?', 2);
  const method = request.method ?? 'GET';
  const body = method === 'GET' ? undefined : await readBody(request);
  const query = new URLSearchParams(search);
  sandbox.world.settle();
  if (path.startsWith(`${CONTROL_PATH}/`)) {
    answer(
      response,
      200,
      JSON.stringify(control(method, path.slice(CONTROL_PATH.length), { query, body: parse(body) }, sandbox)),
    );
  } else if (path.startsWith(MACHINE_PATH)) {
    answerApplication(path.slice(MACHINE_PATH.length), response, sandbox.world);
  } else {
    const route = path.startsWith(BASE_PATH) ? ROUTES[`${method} ${path.slice(BASE_PATH.length)}`] : undefined;
    if (route === undefined) throw new Refusal(404, 'API_NOT_FOUND', `no such API: ${method} ${path}`);
    await answerUpstream(route, { request, response, query, body }, sandbox);
  }
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  body: string | undefined;
}

async function answerUpstream(route: Route, exchange: Exchange, sandbox: Sandbox): Promise<void> {
  refuseStranger(exchange.request, sandbox.apiKey);
  const subject = readSubject(exchange);
  const { delayMs, fault }: Strike = sandbox.faults.strike(route.endpoint, `${subject.name ?? ''} ${subject.id ?? ''}`);
  const faultName = fault?.kind ?? (delayMs > 0 ? 'delay' : null);
  sandbox.calls.arrived(route.endpoint, faultName);
  if (delayMs > 0) {
    await sleep(delayMs);
    sandbox.world.settle();
  }
  const log = (outcome: string, id = subject.id): void =>
    sandbox.calls.finished({
      at: sandbox.world.clock.now(),
      endpoint: route.endpoint,
      name: subject.name,
      id,
      outcome,
      fault: faultName,
    });
  if (fault !== null && playBefore(fault, exchange.response)) return log('not-executed');
  let status = 200;
  let text: string;
  try {
    text = route.run({ query: exchange.query, body: parse(exchange.body), fault: fault?.kind ?? null }, sandbox);
    log('ok', route.endpoint === 'create' ? idOf(text) : subject.id);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    log(error.reason);
    status = error.status;
    text = error.toJson();
  }
  if (fault === null) answer(exchange.response, status, text);
  else await playAfter(fault, exchange.response, status, text);
}

/** Faults that keep the call from being executed; true when one has answered. */
function playBefore(fault: Fault, response: ServerResponse): boolean {
  switch (fault.kind) {
    case 'timeout-before':
      hang(response, fault.delayMs);
      return true;
    case '500-before':
      answerError(response, new Refusal(500, 'UNKNOWN', 'internal error'));
      return true;
    case 'reset-before':
      closeAbruptly(response);
      return true;
    case 'html-before':
      answer(response, 502, HTML_PAGE, { 'content-type': 'text/html' });
      return true;
    case '429':
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', String(fault.retryAfter));
      answerError(response, new Refusal(429, 'RATE_LIMIT_EXCEEDED', 'too many requests'));
      return true;
    case '404':
      answerError(response, new Refusal(404, 'RESOURCE_NOT_FOUND', 'instance not found'));
      return true;
    case 'refuse':
      answerError(
        response,
        new Refusal(fault.status ?? 400, fault.reason ?? 'OPERATION_LIMIT', fault.message ?? 'refused'),
      );
      return true;
    default:
      return false;
  }
}

/** Faults that spoil the answer of a call that was executed. */
async function playAfter(fault: Fault, response: ServerResponse, status: number, text: string): Promise<void> {
  switch (fault.kind) {
    case 'timeout-after':
      return hang(response, fault.delayMs);
    case 'delay-after':
      await sleep(fault.delayMs ?? 1000);
      return answer(response, status, text);
    case '500-after':
      return answerError(response, new Refusal(500, 'UNKNOWN', 'internal error'));
    case 'reset-after':
      return closeAbruptly(response);
    case '400-after':
      return answerError(response, new Refusal(400, 'CONFLICT', 'invalid state change'));
    case 'truncate':
      return truncated(response, status, text);
    case 'html':
      return answer(response, 502, HTML_PAGE, { 'content-type': 'text/html' });
    case 'empty':
      return answer(response, status, '');
    default:
      return answer(response, status, text);
  }
}

function refuseStranger({ headers }: IncomingMessage, apiKey: string | undefined): void {
  if (apiKey === undefined || headers.authorization === `Bearer ${apiKey}`) return;
  if (headers.authorization === undefined) throw new Refusal(400, 'MISSING_API_KEY', 'missing API key');
  throw new Refusal(401, 'UNAUTHORIZED', 'invalid API key');
}

interface Subject {
  id: string | null;
  name: string | null;
}

function readSubject({ query, body }: Exchange): Subject {
  const order = body === undefined ? undefined : tryParse(body);
  return {
    id: query.get('instanceId') ?? textOf(order, 'instanceId'),
    name: query.get('name') ?? textOf(order, 'name'),
  };
}

function idOf(text: string): string | null {
  return textOf(tryParse(text), 'id');
}

function textOf(body: unknown, name: string): string | null {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  return typeof value === 'string' ? value : null;
}

function answerError(response: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'UNKNOWN', String(error));
  answer(response, refusal.status, refusal.toJson());
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw invalidParameter('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(body: string | undefined): unknown {
  if (body === undefined || body === '') return {};
  const parsed = tryParse(body);
  if (parsed === undefined) throw invalidParameter('the body is not JSON');
  return parsed;
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
