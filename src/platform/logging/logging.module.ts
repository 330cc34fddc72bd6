import { type DynamicModule, type LoggerService, Module, RequestMethod } from '@nestjs/common';
import { Logger as NestPinoLogger, LoggerModule, type Params, PinoLogger } from 'nestjs-pino';
import type { Logging } from './logging.js';
import { SecretScrubber } from './secret-scrubber.js';

/**
 * Binds the id of the request to every line that is written while it is served. The line about the request itself comes from
 * the HTTP layer, which also sees requests that no middleware does.
 */
@Module({})
export class LoggingModule {
  static forRoot({ root, scrubber }: Logging): DynamicModule {
    return {
      module: LoggingModule,
      global: true,
      imports: [LoggerModule.forRoot(paramsFor(root))],
      providers: [{ provide: SecretScrubber, useValue: scrubber }],
      exports: [SecretScrubber, LoggerModule],
    };
  }
}

/** Nest's own lines from its very first one, in the same form: hand it to `NestFactory.create`. */
export function nestLogger({ root }: Logging): LoggerService {
  const params = paramsFor(root);
  return new NestPinoLogger(new PinoLogger(params), params);
}

function paramsFor(root: Logging['root']): Params {
  return {
    pinoHttp: {
      logger: root,
      autoLogging: false,
      quietReqLogger: true,
      customAttributeKeys: { reqId: 'requestId' },
    },
    // nestjs-pino's own default, `{/*splat}`, gets a second slash from @fastify/middie and then matches nothing.
    forRoutes: [{ path: '*path', method: RequestMethod.ALL }],
  };
}
