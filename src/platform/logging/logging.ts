import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { LineGuard } from './line-guard.js';
import { requestFields } from './request-scope.js';
import { SecretScrubber } from './secret-scrubber.js';

/** The one root logger of a process, and the scrubber that knows its secrets. */
export interface Logging {
  root: Logger;
  scrubber: SecretScrubber;
}

export interface LoggingOptions {
  level: string;
  /** Bound to every line: which service, which replica. */
  base?: Record<string, string>;
  /** Where lines go; standard output by default. */
  target?: DestinationStream;
}

const SECRET_KEYS = [
  'authorization',
  'cookie',
  'apiKey',
  'novitaApiKey',
  'password',
  'secret',
  'webhookSecret',
  'token',
  'envs',
  'sshPassword',
  'databaseUrl',
  '["x-api-key"]',
  '["set-cookie"]',
];
// pino looks only where it is told: at the top, in an object, and in an object in an object.
const DEPTHS = ['', '*', '*.*'];

/** Lines that wait while standard output takes none; beyond this they are dropped rather than kept in memory. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

export function createLogging({ level, base = {}, target = standardOutput() }: LoggingOptions): Logging {
  const scrubber = new SecretScrubber();
  const options = {
    level,
    base,
    timestamp: stdTimeFunctions.isoTime,
    // Asked for each line: a logger of its own for each request costs more than all that the request is asked for.
    mixin: requestFields,
    redact: { paths: redactedPaths(), censor: '[redacted]' },
  };
  return { root: pino(options, new LineGuard(target, scrubber)), scrubber };
}

function redactedPaths(): string[] {
  return DEPTHS.flatMap((depth) =>
    SECRET_KEYS.map((key) => (depth === '' || key.startsWith('[') ? depth + key : `${depth}.${key}`)),
  );
}

/** Written without blocking; what still waits when the process ends is written then. */
function standardOutput(): DestinationStream {
  const stream = destination({ dest: 1, sync: false, maxLength: MAX_WAITING_BYTES });
  // A reader that goes away (EPIPE) must not take the service with it.
  stream.on('error', () => undefined);
  process.once('exit', () => flush(stream));
  return stream;
}

function flush(stream: ReturnType<typeof destination>): void {
  try {
    stream.flushSync();
  } catch {
    // Standard output was never opened or is already gone: there is nowhere left to say so.
  }
}
