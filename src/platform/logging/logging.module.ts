import { type DynamicModule, type LoggerService, Module } from '@nestjs/common';
import { Logger as NestPinoLogger, LoggerModule, type Params, PinoLogger } from 'nestjs-pino';
import type { Logging } from './logging.js';
import { SecretScrubber } from './secret-scrubber.js';

/** Nest's logger, on top of ours. Which request a line belongs to is said by `requestFields`, and no middleware is needed for it. */
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
  return { pinoHttp: { logger: root, autoLogging: false }, forRoutes: [] };
}
