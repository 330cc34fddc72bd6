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

/** What a request must be allowed; null where no key is needed. All of /api is closed unless it says what it asks for. */
export function requiredScopeOf(request: FastifyRequest): Scope | null {
  const { url } = request.routeOptions;
  if (request.is404 || url === undefined) return null;
  const { scope } = request.routeOptions.config as RouteConfig;
  if (scope !== undefined) return scope;
  return url === '/api' || url.startsWith('/api/') ? 'admin' : null;
}

/** The name that the operation has in the document. */
export function operationOf(request: FastifyRequest): string | null {
  return (request.routeOptions.config as RouteConfig | undefined)?.operation ?? null;
}
