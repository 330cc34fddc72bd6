import { Body, ConsoleLogger, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { connect } from 'node:net';
import { AppError, type ErrorKind } from '../../src/platform/app-error.js';
import { configureHttp, createFastifyAdapter, type HttpSettings } from '../../src/platform/http/configure-http.js';
import { ApiErrors, setUpOpenApi } from '../../src/platform/http/openapi.js';
import { CurrentPatience, type Patience } from '../../src/platform/http/prefer-wait.js';
import { Paged } from '../../src/platform/http/pagination.js';

class Label {
  @IsString()
  key!: string;

  @IsString()
  value!: string;
}

class OrderDto {
  @IsString({ message: 'Name must be text' })
  @IsNotEmpty()
  @MaxLength(64)
  name!: string;

  @IsOptional()
  @IsInt()
  @Min(1)
  gpuNum?: number;

  @IsOptional()
  @IsBoolean()
  dryRun?: boolean;

  @IsOptional()
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Label)
  labels?: Label[];

  @IsOptional()
  @IsObject()
  free?: Record<string, unknown>;
}

class ListQuery extends Paged(50) {
  @IsOptional()
  @IsIn(['running', 'failed'])
  status?: string;
}

/** Throws what a test hands it, so that every error can be seen from outside. */
class Failures {
  next: unknown = new Error('nothing was prepared');
}

@ApiTags('instances')
@Controller('api/instances')
class InstancesController {
  @Post()
  @ApiErrors(400)
  create(@Body() order: OrderDto): object {
    return { created: order };
  }

  @Get()
  list(@Query() query: ListQuery): object {
    return { ...query };
  }

  @Get(':instanceId')
  @ApiErrors(404)
  show(@Param('instanceId') instanceId: string): object {
    if (instanceId === 'known') return { id: instanceId };
    throw new ThingNotFound(instanceId);
  }

  @Delete(':instanceId')
  @HttpCode(202)
  remove(@Param('instanceId') instanceId: string): object {
    return { id: instanceId };
  }
}

@Controller()
class OtherController {
  constructor(private readonly failures: Failures) {}

  @Get('api/failing')
  fail(): never {
    throw this.failures.next;
  }

  @Get('api/held')
  async hold(@CurrentPatience() patience: Patience): Promise<object> {
    await new Promise((resolve) => setTimeout(resolve, patience.waitMs));
    patience.held(patience.waitMs);
    return {};
  }

  @Get('api/stream')
  stream(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    reply.hijack();
    reply.raw.writeHead(200).write('begun');
    request.heldSince = performance.now();
    setTimeout(() => reply.raw.end(), 1_000);
  }

  @Get('health/live')
  live(): object {
    return { status: 'healthy' };
  }
}

export class ThingNotFound extends AppError {
  readonly kind = 'not-found';
  readonly code = 'INSTANCE_NOT_FOUND';
  constructor(id: string) {
    super(`There is no instance ${id.slice(0, 20)}`);
  }
}

/** An application error of any kind, for tables of them. */
export class Failure extends AppError {
  readonly code = 'SOMETHING';
  constructor(
    readonly kind: ErrorKind,
    override readonly retryAfterSeconds?: number | undefined,
  ) {
    super('Something happened');
  }
}

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

export interface RunningServer {
  url: string;
  port: number;
  lines: LogLine[];
  failWith(error: unknown): void;
  /** Sends bytes as they are and gives back everything that came until the server closed, or `waitMs` passed. */
  raw(bytes: string | Buffer, waitMs?: number): Promise<{ text: string; closed: boolean }>;
  close(): Promise<void>;
}

const NO_LIMITS = { enabled: false, createPerMinute: 10, statusPerMinute: 100, generalPerHour: 1000 };

/** A small application with every HTTP rule, on a free port of the loopback. */
export async function startServer(overrides: Partial<HttpSettings> = {}): Promise<RunningServer> {
  const lines: LogLine[] = [];
  const failures = new Failures();
  const settings = { trustedProxies: [], rateLimit: NO_LIMITS, log: recording(lines), ...overrides };
  const module = await Test.createTestingModule({
    controllers: [InstancesController, OtherController],
    providers: [{ provide: Failures, useValue: failures }],
  })
    .setLogger(new ConsoleLogger({ logLevels: ['error'] }))
    .compile();
  const app = module.createNestApplication<NestFastifyApplication>(createFastifyAdapter(settings));
  configureHttp(app, settings);
  await setUpOpenApi(app, { version: '1.2.3' });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    lines,
    failWith: (error) => {
      failures.next = error;
    },
    raw: (bytes, waitMs = 1500) => sendRaw(port, bytes, waitMs),
    close: () => app.close(),
  };
}

function recording(lines: LogLine[]): HttpSettings['log'] {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { isLevelEnabled: () => true, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function sendRaw(port: number, bytes: string | Buffer, waitMs: number): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const finish = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: Buffer.concat(chunks).toString('utf8'), closed });
    };
    const timer = setTimeout(() => finish(false), waitMs);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', () => finish(true));
    socket.on('close', () => finish(true));
    socket.write(bytes);
  });
}
