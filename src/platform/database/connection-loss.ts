// Prisma's own codes: not reachable, timed out, closed, no free connection, too many connections.
const PRISMA_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);
const DRIVER_KINDS = new Set(['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections']);
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);
// Class 08 is "connection exception"; the others: shutdown, crash, starting up, idle sessions ended, too many clients.
const SQL_STATES = /^(?:08...|57P0[1235]|25P0[34]|53300)$/;
// pg and pg-pool say these with plain Errors that carry no code.
const MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error',
  'Cannot use a pool after calling end',
  'server closed the connection unexpectedly',
  "Can't reach database server",
  'Server has closed the connection',
];
// Postgres gave up on a statement (57014) or on a lock (55P03) at the time that the service set for it.
const TIMEOUT_STATES = /^(?:57014|55P03)$/;

// A cause can be wrapped by Prisma, by its adapter and by pg; a cycle must not hang the error path.
const MAX_DEPTH = 6;

/** Whether the database went away, in any of the shapes that Prisma, its pg adapter, pg and pg-pool give it. */
export function isConnectionLoss(error: unknown): boolean {
  return someLayer(error, saysConnectionLost, MAX_DEPTH);
}

/** Whether the database was there but did not answer within the time that was set for it. */
export function isDatabaseTimeout(error: unknown): boolean {
  return someLayer(error, (layer) => codesOf(layer).some((code) => TIMEOUT_STATES.test(code)), MAX_DEPTH);
}

type Layer = Record<string, unknown>;

function someLayer(error: unknown, test: (layer: Layer) => boolean, depth: number): boolean {
  if (depth === 0 || !isLayer(error)) return false;
  return test(error) || innerErrors(error).some((inner) => someLayer(inner, test, depth - 1));
}

function innerErrors(layer: Layer): unknown[] {
  const meta = isLayer(layer['meta']) ? [layer['meta']['driverAdapterError']] : [];
  const grouped = Array.isArray(layer['errors']) ? layer['errors'] : [];
  return [layer['cause'], ...meta, ...grouped];
}

function saysConnectionLost(layer: Layer): boolean {
  return (
    codesOf(layer).some((code) => PRISMA_CODES.has(code) || SYSTEM_CODES.has(code) || SQL_STATES.test(code)) ||
    (typeof layer['kind'] === 'string' && DRIVER_KINDS.has(layer['kind'])) ||
    [layer['message'], layer['originalMessage']].some(
      (text) => typeof text === 'string' && MESSAGES.some((known) => text.includes(known)),
    )
  );
}

function codesOf(layer: Layer): string[] {
  return [layer['code'], layer['originalCode'], layer['errorCode']].filter((code) => typeof code === 'string');
}

function isLayer(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null;
}
