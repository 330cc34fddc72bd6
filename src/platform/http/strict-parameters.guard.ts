import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import { CUSTOM_ROUTE_ARGS_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import type { FastifyRequest } from 'fastify';
import { InvalidRequest } from '../app-error.js';
import { shortened } from './text-rules.js';

interface Declared {
  query: boolean;
  body: boolean;
}

/** Pipes only see parameters that a handler declares: this refuses a query or a body that a handler does not take at all. */
@Injectable()
export class StrictParameters implements CanActivate {
  private readonly known = new WeakMap<object, Declared>();

  canActivate(context: ExecutionContext): boolean {
    const declared = this.declaredBy(context);
    const { query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    if (!declared.query) refuseAny(query, 'This query parameter is not known');
    if (!declared.body) refuseAny(body, 'This field is not known');
    return true;
  }

  private declaredBy(context: ExecutionContext): Declared {
    const handler = context.getHandler();
    const known = this.known.get(handler) ?? readDeclared(context.getClass(), handler.name);
    this.known.set(handler, known);
    return known;
  }
}

function readDeclared(controller: Type, method: string): Declared {
  const args: Record<string, unknown> = Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {};
  // A parameter decorator of our own has a random prefix, which may begin with the number of another kind.
  const own = Object.keys(args).filter((key) => !key.includes(CUSTOM_ROUTE_ARGS_METADATA));
  const types = new Set(own.map((key) => Number.parseInt(key, 10)));
  const takesAll = types.has(RouteParamtypes.REQUEST);
  return { query: takesAll || types.has(RouteParamtypes.QUERY), body: takesAll || types.has(RouteParamtypes.BODY) };
}

function refuseAny(value: unknown, reason: string): void {
  const [first] = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (first !== undefined) throw new InvalidRequest(shortened(first), reason);
}
