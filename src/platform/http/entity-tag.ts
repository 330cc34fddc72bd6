import { applyDecorators, HttpStatus } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { VERSION } from '../version.js';

/** A strong tag: the same as long as every byte of the answer is. The release is part of it, as it shapes the answer. */
export function entityTag(...versions: readonly (string | number | null)[]): string {
  return `"${[VERSION, ...versions.map((version) => version ?? '')].join('.')}"`;
}

/**
 * Gives the answer its tag; true when the caller has that answer already, and is to get a 304 without a body.
 * @param known the If-None-Match of the request
 */
export function answerIsKnown(known: string | undefined, reply: FastifyReply, tag: string): boolean {
  reply.header('ETag', tag);
  if (!isAmong(tag, known)) return false;
  reply.status(HttpStatus.NOT_MODIFIED);
  return true;
}

/** If-None-Match compares weakly (RFC 9110, 13.1.2). */
export function isAmong(tag: string, known: string | undefined): boolean {
  if (known === undefined) return false;
  if (known.trim() === '*') return true;
  return known.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === tag);
}

export function Conditional(): MethodDecorator {
  return applyDecorators(
    ApiHeader({ name: 'If-None-Match', required: false, description: 'The ETag of an answer that you have' }),
    ApiResponse({ status: 304, description: 'Nothing has changed since the answer with this ETag' }),
  );
}
