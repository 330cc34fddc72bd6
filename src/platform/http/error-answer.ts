import { HttpException } from '@nestjs/common';
import { AppError, type ErrorKind } from '../app-error.js';
import { isConnectionLoss, isDatabaseTimeout } from '../database/connection-loss.js';
import type { ErrorAnswer } from './error-body.js';
import { HttpRefusal } from './http-refusal.js';

const STATUS_OF_KIND: Record<ErrorKind, number> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  gone: 410,
  'too-large': 413,
  'unsupported-media': 415,
  unprocessable: 422,
  'rate-limited': 429,
  upstream: 502,
  unavailable: 503,
  internal: 500,
};

const KNOWN: Record<number, { code: string; message: string }> = {
  400: { code: 'VALIDATION_ERROR', message: 'Invalid request parameters' },
  401: { code: 'AUTHENTICATION_ERROR', message: 'Invalid or missing API key' },
  403: { code: 'FORBIDDEN', message: 'This is not allowed' },
  404: { code: 'NOT_FOUND', message: 'There is nothing at this address' },
  405: { code: 'METHOD_NOT_ALLOWED', message: 'This address does not know this method' },
  406: { code: 'NOT_ACCEPTABLE', message: 'Answers are application/json' },
  408: { code: 'REQUEST_TIMEOUT', message: 'The request did not arrive in time' },
  409: { code: 'CONFLICT', message: 'The request conflicts with the current state' },
  410: { code: 'GONE', message: 'This is gone for good' },
  413: { code: 'PAYLOAD_TOO_LARGE', message: 'The body is larger than 1 MiB' },
  414: { code: 'URI_TOO_LONG', message: 'The address is too long' },
  415: { code: 'UNSUPPORTED_MEDIA_TYPE', message: 'Bodies are application/json in UTF-8, without a content encoding' },
  417: { code: 'EXPECTATION_FAILED', message: 'This expectation cannot be met' },
  422: { code: 'UNPROCESSABLE', message: 'The request cannot be processed' },
  429: { code: 'RATE_LIMIT_EXCEEDED', message: 'API rate limit exceeded' },
  431: { code: 'HEADERS_TOO_LARGE', message: 'The headers are larger than 16 KiB' },
  502: { code: 'UPSTREAM_ERROR', message: 'The service behind this one failed' },
  503: { code: 'SERVICE_UNAVAILABLE', message: 'The service cannot answer right now; try again shortly' },
};

const INTERNAL: ErrorAnswer = { status: 500, code: 'INTERNAL_ERROR', message: 'Internal server error' };
export const UNAVAILABLE_RETRY_SECONDS = 1;
const MAX_MESSAGE_LENGTH = 300;

/** What the framework reports about a body, in words for the caller. */
const BODY_REASONS: Record<string, string> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body is not as long as Content-Length says',
};

/** The answer for a status that needs no more words than its own. */
export function answerForStatus(status: number, more: Partial<ErrorAnswer> = {}): ErrorAnswer {
  const known = KNOWN[status];
  if (known) return { status, ...known, ...headersFor(status), ...more };
  return status >= 500 ? { ...INTERNAL, ...more } : { status, code: 'REQUEST_REFUSED', message: 'Refused', ...more };
}

/** What a caller may learn about an error, whoever threw it. Anything unknown is a 500 that says nothing. */
export function answerFor(error: unknown): ErrorAnswer {
  if (error instanceof AppError) return answerForAppError(error);
  if (error instanceof HttpRefusal) return error.answer;
  const framework = fastifyErrorIn(error);
  if (framework) return answerForFramework(framework);
  if (error instanceof HttpException) return answerForHttpException(error);
  if (isConnectionLoss(error) || isDatabaseTimeout(error)) return answerForStatus(503);
  return INTERNAL;
}

function answerForAppError(error: AppError): ErrorAnswer {
  const status = STATUS_OF_KIND[error.kind];
  return {
    status,
    code: error.code,
    message: error.message,
    ...(error.details && { details: error.details }),
    ...headersFor(status, error.retryAfterSeconds),
  };
}

function answerForFramework(error: { code: string; status: number }): ErrorAnswer {
  if (error.code === 'FST_ERR_BAD_URL') return invalid('path', 'The path has an invalid percent-encoding');
  const reason = BODY_REASONS[error.code];
  return reason === undefined ? answerForStatus(error.status) : invalid('body', reason);
}

function answerForHttpException(error: HttpException): ErrorAnswer {
  const status = error.getStatus();
  // A router's 404 repeats the address and a 5xx may carry anything: those say only what their status says.
  if (status >= 500 || status === 404 || status < 400) return answerForStatus(status < 400 ? 500 : status);
  return answerForStatus(status, { message: error.message.slice(0, MAX_MESSAGE_LENGTH) });
}

function invalid(field: string, reason: string): ErrorAnswer {
  return answerForStatus(400, { details: { field, reason, failures: [{ field, reason }] } });
}

function headersFor(status: number, retryAfterSeconds?: number): Pick<ErrorAnswer, 'headers'> {
  if (status === 401) return { headers: { 'WWW-Authenticate': 'Bearer' } };
  const fallback = status === 503 ? UNAVAILABLE_RETRY_SECONDS : undefined;
  const seconds = retryAfterSeconds ?? fallback;
  return seconds === undefined ? {} : { headers: { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) } };
}

/**
 * Nest wraps Fastify's own 4xx errors in an HttpException and keeps the original as its cause. A status on any other error is
 * not ours to repeat: HTTP clients put the status of somebody else's answer there.
 */
function fastifyErrorIn(error: unknown): { code: string; status: number } | null {
  const source = error instanceof HttpException ? error.cause : error;
  if (!(source instanceof Error)) return null;
  const { code = '', statusCode } = source as Error & { code?: string; statusCode?: unknown };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return null;
  // Fastify marks a body that broke off with 400, under the code of the socket.
  const isFastify = String(code).startsWith('FST_') || (code === 'ECONNRESET' && statusCode === 400);
  return isFastify || error instanceof HttpException ? { code: String(code), status: statusCode } : null;
}
