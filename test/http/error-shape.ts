import { expect } from '@jest/globals';
import type { ErrorBody } from '../../src/platform/http/error-body.js';

/** Asserts the documented error shape and gives back what is inside. */
export async function errorIn(response: Response, status: number, code: string): Promise<ErrorBody['error']> {
  const text = await response.text();
  expect({ status: response.status, text }).toMatchObject({ status, text: expect.stringContaining('"error"') });
  const { error } = asErrorBody(text);
  expect(error.code).toBe(code);
  expect(error.requestId).toBe(response.headers.get('x-request-id'));
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  return error;
}

export function asErrorBody(text: string): ErrorBody {
  const body = JSON.parse(text) as ErrorBody;
  expect(Object.keys(body)).toEqual(['error']);
  expect(Object.keys(body.error).filter((key) => key !== 'details')).toEqual([
    'code',
    'message',
    'timestamp',
    'requestId',
  ]);
  expect(new Date(body.error.timestamp).toISOString()).toBe(body.error.timestamp);
  expect(text).not.toMatch(/\bat .*\.[jt]s:\d+|node_modules|SELECT |INSERT |prisma/i);
  return body;
}

/** The last answer among the raw bytes that a server sent. */
export function lastAnswerIn(text: string): { status: number; head: string; body: string } {
  const start = text.lastIndexOf('HTTP/1.1 ');
  const [head = '', body = ''] = text.slice(start).split(/\r\n\r\n(.*)/s, 2);
  return { status: Number(head.slice(9, 12)), head, body };
}
