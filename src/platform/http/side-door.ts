import type { IncomingMessage, ServerResponse } from 'node:http';
import { SECURITY_HEADERS } from './answer-headers.js';
import type { FinishedRequest } from './front-door.js';
import { newRequestId } from './request-id.js';

/** A GET that is always answered the same: 200 and this body. A route of the same path must answer it as well. */
export interface StandingAnswer {
  readonly path: string;
  readonly body: object;
}

export interface SideDoorSettings {
  readonly answers: readonly StandingAnswer[];
  /** False while requests are to be treated in a way that only the front door knows. */
  readonly isOpen: () => boolean;
  readonly onFinished?: (finished: FinishedRequest) => void;
}

interface Prepared {
  readonly text: string;
  readonly headers: readonly string[];
  readonly finished: FinishedRequest;
}

/** What probes and balancers send; none of it has a bearing on the answer. A request with anything else takes the front door. */
const NEUTRAL_HEADERS = new Set(['host', 'user-agent', 'accept', 'accept-encoding', 'connection']);

/**
 * Probes are answered by the HTTP server itself, ahead of the router and of all that a request passes there: that the process
 * lives is told with as little as possible in the way.
 */
export class SideDoor {
  private readonly prepared: ReadonlyMap<string, Prepared>;

  constructor(private readonly settings: SideDoorSettings) {
    this.prepared = new Map(settings.answers.map((answer) => [answer.path, prepare(answer)]));
  }

  /** Whether it was answered here. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const prepared = this.prepared.get(request.url ?? '');
    if (prepared === undefined || request.method !== 'GET' || !isPlain(request) || !this.settings.isOpen())
      return false;
    response.writeHead(200, [...prepared.headers, 'X-Request-Id', newRequestId()]).end(prepared.text);
    this.settings.onFinished?.(prepared.finished);
    return true;
  }
}

function prepare({ path, body }: StandingAnswer): Prepared {
  const text = JSON.stringify(body);
  const headers = {
    ...SECURITY_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(text)),
  };
  const finished = { method: 'GET', route: path, status: 200, durationMs: 0, servedMs: 0, aborted: false };
  return { text, headers: Object.entries(headers).flat(), finished };
}

function isPlain({ rawHeaders, httpVersion }: IncomingMessage): boolean {
  if (httpVersion !== '1.1') return false;
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (!NEUTRAL_HEADERS.has(name)) return false;
    if (name === 'host') hosts += 1;
  }
  return hosts === 1;
}
