import { applyDecorators } from '@nestjs/common';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import { ApiBearerAuth, ApiExtension, ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiErrors } from '../openapi.js';
import type { Scope } from './scopes.js';

interface RouteConfig {
  scope?: Scope;
  operation?: string;
}

/** Says which scope an operation asks for. The front door reads it from the route, before the body is read. */
export function RequireScope(scope: Scope): MethodDecorator {
  return applyDecorators(
    addToRouteConfig(scope),
    ApiBearerAuth('bearer'),
    ApiSecurity('apiKey'),
    ApiExtension('x-required-scope', scope),
    ApiErrors(401, 403),
  );
}

function addToRouteConfig(scope: Scope): MethodDecorator {
  return (_target, operation, descriptor) => {
    const handler = descriptor.value as object;
    const config: object = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, handler) ?? {};
    Reflect.defineMetadata(
      FASTIFY_ROUTE_CONFIG_METADATA,
      { ...config, scope, operation: String(operation) } satisfies RouteConfig,
      handler,
    );
  };
}

/** What is known of a request by its route alone. */
export interface Place {
  /** The template; null when nothing matched. */
  readonly route: string | null;
  /** What a request must be allowed; null where no key is needed. */
  readonly scope: Scope | null;
  readonly isBelowApi: boolean;
}

const NOWHERE: Place = { route: null, scope: null, isBelowApi: false };
const places = new WeakMap<object, Place>();

export function placeOf(request: FastifyRequest): Place {
  const config = request.routeOptions.config as (RouteConfig & { url?: string }) | undefined;
  // A target that the router cannot read has none.
  if (config === undefined) return NOWHERE;
  const known = places.get(config) ?? toPlace(config);
  places.set(config, known);
  return known;
}

/** All of /api is closed unless it says what it asks for. */
function toPlace({ url, scope }: RouteConfig & { url?: string }): Place {
  if (url === undefined) return NOWHERE;
  const isBelowApi = url.startsWith('/api/');
  return { route: url, scope: scope ?? (isBelowApi || url === '/api' ? 'admin' : null), isBelowApi };
}

/** The name that the operation has in the document. */
export function operationOf(request: FastifyRequest): string | null {
  return (request.routeOptions.config as RouteConfig | undefined)?.operation ?? null;
}
