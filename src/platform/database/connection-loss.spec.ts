import { describe, expect, it } from '@jest/globals';
import { isConnectionLoss, isDatabaseTimeout } from './connection-loss.js';

function coded(code: string, more: object = {}): Error {
  return Object.assign(new Error('something'), { code, ...more });
}

function fromAdapter(cause: object): object {
  return { meta: { driverAdapterError: Object.assign(new Error('DriverAdapterError'), { cause }) } };
}

describe('a lost connection', () => {
  it.each([
    ['Prisma cannot reach it', coded('P1001')],
    ['the server closed it', coded('P1017')],
    ['no connection became free', coded('P2024')],
    ['no transaction could begin', coded('P2028')],
    ['a raw query met a shutdown', coded('P2010', fromAdapter({ kind: 'postgres', originalCode: '57P01' }))],
    ['a raw query met a closed socket', coded('P2010', fromAdapter({ kind: 'ConnectionClosed' }))],
    ['a query met a server that starts', coded('P2039', fromAdapter({ kind: 'postgres', originalCode: '57P03' }))],
    ['a query met too many clients', coded('P2039', fromAdapter({ kind: 'postgres', code: '53300' }))],
    [
      'a query met pg’s plain error',
      coded('P2039', fromAdapter({ originalMessage: 'Connection terminated unexpectedly' })),
    ],
    ['pg lost its socket', new Error('Connection terminated unexpectedly')],
    ['pg heard nothing of its query', new Error('Query read timeout')],
    ['pg-pool gave up', new Error('timeout exceeded when trying to connect')],
    ['pg-pool gave up on the handshake', new Error('Connection terminated due to connection timeout')],
    ['Postgres was told to stop', coded('57P01')],
    ['Postgres crashed', coded('57P02')],
    ['class 08', coded('08006')],
    ['nothing listens', coded('ECONNREFUSED')],
    ['nothing listens on any address', new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')], '')],
    ['it is wrapped', new Error('could not save', { cause: coded('ECONNRESET') })],
  ])('is recognised: %s', (_, error) => {
    expect(isConnectionLoss(error)).toBe(true);
  });

  it.each([
    ['a duplicate', coded('P2002')],
    ['a duplicate in SQL', coded('23505')],
    ['a NUL', coded('22021')],
    ['a row that is gone', coded('P2025')],
    ['a failed raw query', coded('P2010', fromAdapter({ kind: 'postgres', originalCode: '42P01' }))],
    ['a bug', new TypeError('undefined is not a function')],
    ['a text', 'Connection terminated unexpectedly'],
    ['nothing', null],
  ])('is not seen in %s', (_, error) => {
    expect(isConnectionLoss(error)).toBe(false);
  });

  it('ends its search in a cycle of causes', () => {
    const error = new Error('a');
    error.cause = error;

    expect(isConnectionLoss(error)).toBe(false);
  });
});

describe('a timeout inside the database', () => {
  it.each([
    ['a statement', coded('P2010', fromAdapter({ kind: 'postgres', originalCode: '57014' })), true],
    ['a lock', coded('55P03'), true],
    ['a deadlock', coded('40P01'), false],
  ])('is told from other errors: %s', (_, error, expected) => {
    expect(isDatabaseTimeout(error)).toBe(expected);
  });
});
