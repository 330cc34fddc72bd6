import type { IncomingMessage } from 'node:http';
import { InvalidRequest } from '../app-error.js';
import { answerForStatus } from './error-answer.js';
import { HttpRefusal } from './http-refusal.js';
import { POISON, refusalOfText, shortened } from './text-rules.js';

const HOST = 'host';
const PROTO = '__proto__';
const MAX_TARGET_LENGTH = 8192;
const PLAIN_TARGET = /^[\x21-\x24\x26-\x3e\x40-\x7e]*$/;

type RequestHead = Pick<IncomingMessage, 'url' | 'headers' | 'rawHeaders' | 'httpVersion'>;

/** Refuses a request by its head alone, before anyone looks at what it asks for. */
export function checkHead(request: RequestHead): void {
  const target = request.url ?? '/';
  if (target.length > MAX_TARGET_LENGTH) throw new HttpRefusal(answerForStatus(414));
  checkHeaders(request);
  // Neither an escape nor a query, and no character that anybody could mind.
  if (!PLAIN_TARGET.test(target)) {
    checkPath(target);
    checkQuery(target);
  }
  checkEncoding(request.headers['content-encoding']);
}

/** Whether an answer in JSON is among those that the caller would take. An event stream is asked for by its own type. */
export function acceptsJson(accept: string | undefined): boolean {
  if (accept === undefined || accept === '*/*' || accept.trim() === '') return true;
  return accept.split(',').some((entry) => {
    const [range = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    return !refused && ['*/*', 'application/*', 'application/json', 'text/event-stream'].includes(range);
  });
}

function checkHeaders({ rawHeaders, httpVersion }: RequestHead): void {
  // Node still serves HTTP/0.9, which has neither headers nor a status to answer with.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw new InvalidRequest('request', 'This is not HTTP/1.1');
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.length === HOST.length && name.toLowerCase() === HOST) hosts += 1;
    else if (name.length === PROTO.length && name.toLowerCase() === PROTO)
      throw new InvalidRequest('headers', 'This header name is not allowed');
  }
  // Node would answer a missing Host with an empty body, and would take the first of two.
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1'))
    throw new InvalidRequest('headers', 'There must be one Host header');
}

function checkPath(target: string): void {
  const path = decoded(target.split('?', 1)[0] ?? '/', 'path');
  const refusal = refusalOfText(path);
  if (refusal) throw new InvalidRequest('path', `The path ${refusal}`);
}

function checkQuery(target: string): void {
  const start = target.indexOf('?');
  if (start === -1) return;
  const seen = new Set<string>();
  for (const pair of target
    .slice(start + 1)
    .split('&')
    .filter((part) => part !== '')) {
    const [rawKey = '', rawValue = ''] = pair.split(/=(.*)/s, 2);
    const key = decoded(rawKey.replaceAll('+', ' '), 'query');
    checkQueryValue(key, decoded(rawValue.replaceAll('+', ' '), 'query'));
    if (seen.has(key)) throw new InvalidRequest(shortened(key), 'This query parameter is given more than once');
    seen.add(key);
  }
}

function checkQueryValue(key: string, value: string): void {
  const refusal = refusalOfText(key) ?? refusalOfText(value);
  if (refusal) throw new InvalidRequest('query', `The query ${refusal}`);
  if (POISON.has(key)) throw new InvalidRequest(key, 'This name is not allowed');
}

function decoded(text: string, field: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidRequest(field, `The ${field} has an invalid percent-encoding`);
  }
}

function checkEncoding(encoding: string | undefined): void {
  if (encoding === undefined || encoding.trim().toLowerCase() === 'identity') return;
  throw new HttpRefusal(answerForStatus(415));
}
