import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { asErrorBody, lastAnswerIn } from './error-shape.js';
import { type RunningServer, startServer } from './http-server.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer({ requestTimeoutMs: 700 });
});
afterAll(() => server.close());

const GET = 'GET /api/instances/known HTTP/1.1\r\nHost: x\r\n';
const POST = 'POST /api/instances HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

describe('bytes that are not a well-formed request', () => {
  it.each([
    [
      'Content-Length and Transfer-Encoding',
      `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two lengths', `${POST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`, 400],
    ['chunked before identity', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400],
    ['a negative length', `${POST}Content-Length: -1\r\n\r\n`, 400],
    ['a chunk size that is none', `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['bare line feeds', GET.replaceAll('\r\n', '\n') + '\n', 400],
    ['a folded header', `${GET}A: b\r\n c\r\n\r\n`, 400],
    ['NUL in a header', `${GET}A: b\0c\r\n\r\n`, 400],
    ['a space before the colon', `${GET}A : b\r\n\r\n`, 400],
    ['no Host', 'GET /api/instances/known HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['two Hosts', `${GET}Host: y\r\nConnection: close\r\n\r\n`, 400],
    ['a header called __proto__', `${GET}__proto__: x\r\nConnection: close\r\n\r\n`, 400],
    ['HTTP/0.9', 'GET /api/instances\r\n\r\n', 400],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a TLS hello', Buffer.from('16030100a5010000a1030300', 'hex'), 400],
    ['20 kB of header', `${GET}A: ${'b'.repeat(20_000)}\r\n\r\n`, 431],
    ['20 kB of address', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['a tunnel', 'CONNECT 127.0.0.1:5432 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    ['an unknown expectation', `${GET}Expect: nonsense\r\n\r\n`, 417],
  ])('are answered in the one error shape and the connection ends: %s', async (_, bytes, status) => {
    const { text, closed } = await server.raw(bytes);

    const answer = lastAnswerIn(text);
    expect(answer.status).toBe(status);
    expect(answer.head).toMatch(/^x-request-id: req-/im);
    expect(answer.head).toMatch(/^x-content-type-options: nosniff/im);
    asErrorBody(answer.body);
    expect(closed).toBe(true);
  });

  it('leave the whole request before them its answer', async () => {
    const { text, closed } = await server.raw(`${POST}Content-Length: 12\r\n\r\n{"name":"a"}garbage\r\n\r\n`);

    expect(lastAnswerIn(text)).toMatchObject({ status: 201, body: '{"created":{"name":"a"}}' });
    expect(closed).toBe(true);
  });
});

describe('requests that are well-formed but unusual', () => {
  it.each([
    ['the absolute form', 'GET http://other/api/instances/known HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    ['500 headers', `${GET}${'a: b\r\n'.repeat(500)}Connection: close\r\n\r\n`],
    ['HTTP/1.0 without Host', 'GET /api/instances/known HTTP/1.0\r\n\r\n'],
  ])('are served: %s', async (_, bytes) => {
    const { text } = await server.raw(bytes);

    expect(lastAnswerIn(text)).toMatchObject({ status: 200, body: '{"id":"known"}' });
  });

  it('are all answered, in order, when 1,000 come at once', async () => {
    const { text } = await server.raw(`${GET}\r\n`.repeat(999) + `${GET}Connection: close\r\n\r\n`, 8_000);

    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(1_000);
  });
});

describe('a client that takes too long', () => {
  it.each([
    ['says nothing', ''],
    ['stops in its headers', 'GET / HTTP/1.1\r\nHost: x\r\nA: '],
    ['stops in its body', `${POST}Content-Length: 100\r\n\r\n{"name":`],
    ['stops in its chunks', `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{"nam`],
    ['waits to be told to continue', `${POST}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n`],
  ])('is told so and loses its connection: %s', async (_, bytes) => {
    const { text, closed } = await server.raw(bytes, 5_000);

    const answer = lastAnswerIn(text);
    expect(answer.status).toBe(408);
    expect(asErrorBody(answer.body).error.code).toBe('REQUEST_TIMEOUT');
    expect(closed).toBe(true);
  });

  it('does not keep others waiting when there are many', async () => {
    const patient = await startServer({ requestTimeoutMs: 10_000 });
    const slow = Array.from({ length: 300 }, () => connect(patient.port, '127.0.0.1'));
    let closed = 0;
    for (const socket of slow) {
      socket.on('error', () => undefined);
      socket.on('close', () => (closed += 1)).resume();
      socket.write(`${POST}Content-Length: 100\r\n\r\n{`);
    }
    await Promise.all(slow.map((socket) => once(socket, 'connect')));

    const response = await fetch(`${patient.url}/api/instances/known`);
    const closedBefore = closed;

    for (const socket of slow) socket.destroy();
    await patient.close();
    expect(response.status).toBe(200);
    // It came after all of them, and was answered while they were all still being waited for.
    expect(closedBefore).toBe(0);
  });
});
