import { Controller, Get, Injectable, Logger } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Logger as PinoLogger } from 'nestjs-pino';
import { configureHttp, createFastifyAdapter } from '../../src/platform/http/configure-http.js';
import { createLogging } from '../../src/platform/logging/logging.js';
import { LoggingModule, nestLogger } from '../../src/platform/logging/logging.module.js';
import { SecretScrubber } from '../../src/platform/logging/secret-scrubber.js';

@Injectable()
class Greeter {
  private readonly logger = new Logger(Greeter.name);

  async greet(): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.logger.log('greeting with hunter2-hunter2');
    return 'hello';
  }
}

@Controller('api/greetings')
class GreetingsController {
  constructor(private readonly greeter: Greeter) {}

  @Get()
  async list(): Promise<object> {
    return { greetings: [await this.greeter.greet()] };
  }
}

const written: string[] = [];
let app: NestFastifyApplication;
beforeAll(async () => {
  const logging = createLogging({ level: 'debug', target: { write: (line) => written.push(line) } });
  const settings = {
    trustedProxies: [],
    rateLimit: { enabled: false, createPerMinute: 1, statusPerMinute: 1, generalPerHour: 1 },
    log: logging.root,
  };
  const module = await Test.createTestingModule({
    imports: [LoggingModule.forRoot(logging)],
    controllers: [GreetingsController],
    providers: [Greeter],
  })
    .setLogger(nestLogger(logging))
    .compile();
  app = module.createNestApplication<NestFastifyApplication>(createFastifyAdapter(settings));
  app.useLogger(app.get(PinoLogger));
  configureHttp(app, settings);
  app.get(SecretScrubber).register('hunter2-hunter2');
  await app.listen(0, '127.0.0.1');
});
afterAll(() => app.close());

it('binds the id of the request to what is logged deep inside it, and only to that', async () => {
  const { port } = app.getHttpServer().address() as { port: number };
  const ids = ['first', 'second', 'third'];

  await Promise.all(
    ids.map(async (id) => {
      const response = await fetch(`http://127.0.0.1:${port}/api/greetings`, { headers: { 'x-request-id': id } });
      await response.text();
    }),
  );

  const lines = written.map((line) => JSON.parse(line) as Record<string, unknown>);
  const greetings = lines.filter((line) => line['context'] === 'Greeter');
  expect(new Set(greetings.map((line) => line['requestId']))).toEqual(new Set(ids));
  expect(greetings.map((line) => line['msg'])).toEqual(Array(3).fill('greeting with [secret]'));
  expect(lines.filter((line) => line['context'] === 'RoutesResolver' && 'requestId' in line)).toEqual([]);
});
