import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AddressGuard } from '../../src/webhooks/address-guard.js';
import { Dialler, TcpDialler } from '../../src/webhooks/dialler.js';
import { GuardedHttp } from '../../src/webhooks/guarded-http.js';
import { targetPolicy } from '../../src/webhooks/domain/target-policy.js';
import type { HttpLimits } from '../../src/webhooks/http-limits.js';
import { selfSigned } from './certificates.js';
import { FakeResolver } from './fakes.js';
import type { Answer, Receiver } from './receivers.js';
import { keepWriting, respond, startReceiver } from './receivers.js';

const QUICK: Partial<HttpLimits> = { connectTimeoutMs: 400, deadlineMs: 700 };

const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});

async function receiving(answer: Answer, certificate?: Parameters<typeof startReceiver>[1]): Promise<Receiver> {
  const receiver = await startReceiver(answer, certificate);
  opened.push(receiver);
  return receiver;
}

function allowing(...ports: number[]) {
  return targetPolicy({ allowedHosts: ports.map((port) => `127.0.0.1:${port}`).join(',') });
}

interface Wiring {
  limits?: Partial<HttpLimits>;
  policy?: ReturnType<typeof targetPolicy>;
  resolver?: FakeResolver;
  dialler?: Dialler;
  ca?: string;
}

function sendingTo(receiver: Receiver, wiring: Wiring = {}) {
  const {
    limits = QUICK,
    policy = allowing(receiver.port),
    resolver = new FakeResolver(),
    dialler = new TcpDialler(),
  } = wiring;
  const guard = new AddressGuard(policy, resolver);
  const http = new GuardedHttp(guard, dialler, limits, wiring.ca === undefined ? {} : { ca: wiring.ca });
  opened.push(http);
  return { guard, http, url: `http://127.0.0.1:${receiver.port}/hook?a=1` };
}

describe('an ordinary delivery', () => {
  it('arrives as it was signed, byte for byte', async () => {
    const receiver = await receiving(respond('202 Accepted', 'thank you'));
    const { http, url } = sendingTo(receiver);
    const body = '{"name":"größe 😀"}';

    const outcome = await http.post(url, {
      headers: { 'content-type': 'application/json', 'webhook-id': 'evt_1' },
      body,
    });

    expect(outcome).toEqual({ kind: 'answered', status: 202, bytes: 9, durationMs: expect.any(Number) });
    const [request = ''] = receiver.requests;
    expect(request).toMatch(new RegExp(`^POST /hook\\?a=1 HTTP/1.1\r\nhost: 127.0.0.1:${receiver.port}\r\n`, 'i'));
    expect(request).toContain('webhook-id: evt_1\r\n');
    expect(request).toMatch(/\r\ncontent-length: 23\r\n/i);
    expect(request.endsWith(`\r\n\r\n${body}`)).toBe(true);
  });

  it('hands on when the receiver wants to be asked again, and nothing else of its answer', async () => {
    const receiver = await receiving(
      respond('503 Busy', 'secret', ['retry-after: 120', 'x-secret: 1', 'set-cookie: a=b']),
    );
    const { http, url } = sendingTo(receiver);

    const outcome = await http.post(url, { body: '{}' });

    expect(outcome).toEqual({
      kind: 'answered',
      status: 503,
      retryAfter: '120',
      bytes: 6,
      durationMs: expect.any(Number),
    });
  });

  it('shares connections, and asks for the name again after a while', async () => {
    const receiver = await receiving(respond('200 OK'));
    const policy = targetPolicy({ allowedHosts: `receiver.example.com,127.0.0.1:${receiver.port}` });
    const resolver = new FakeResolver({ 'receiver.example.com': ['127.0.0.1'] });
    const { http } = sendingTo(receiver, { policy, resolver, limits: { maxPoolAgeMs: 300 } });
    const url = `http://receiver.example.com:${receiver.port}/`;

    for (let i = 0; i < 20; i += 1) await http.post(url, { body: '{}' });
    const connectionsBefore = receiver.connections;
    const questionsBefore = resolver.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 310));
    await http.post(url, { body: '{}' });

    // Two, because a connection rests for one turn of the event loop after each answer.
    expect(connectionsBefore).toBeLessThanOrEqual(2);
    expect(questionsBefore).toBe(connectionsBefore);
    expect(receiver.connections).toBe(connectionsBefore + 1);
    expect(resolver.asked).toHaveLength(questionsBefore + 1);
    expect(receiver.requests[0]).toContain(`host: receiver.example.com:${receiver.port}\r\n`);
  });

  it('opens no more connections to one receiver than it may', async () => {
    const receiver = await receiving((socket, request) => setTimeout(() => respond('200 OK')(socket, request), 5));
    const { http, url } = sendingTo(receiver, { limits: { connectionsPerOrigin: 4 } });

    const outcomes = await Promise.all(Array.from({ length: 40 }, () => http.post(url, { body: '{}' })));

    expect(outcomes.every((outcome) => outcome.kind === 'answered')).toBe(true);
    expect(receiver.connections).toBe(4);
  });

  it('is not led elsewhere by headers that the owner of the URL has chosen', async () => {
    const receiver = await receiving(respond('200 OK'));
    const { http, url } = sendingTo(receiver);

    await http.post(url, {
      headers: { 'webhook-id': 'evt_1', host: 'ours.example.com' },
      customHeaders: [
        ['Host', '169.254.169.254'],
        ['content-length', '1'],
        ['Transfer-Encoding', 'chunked'],
        ['webhook-id', 'evt_2'],
        ['Authorization', 'Bearer stray'],
        ['x-team', 'a\r\nx-injected: 1'],
        ['__proto__', 'x'],
        ['X-Team', 'blue'],
      ],
      body: '{}',
    });

    const [request = ''] = receiver.requests;
    expect(request.match(/\r\nhost: .*/gi)).toEqual([`\r\nhost: 127.0.0.1:${receiver.port}`]);
    expect(request).toContain('X-Team: blue\r\n');
    expect(request).not.toMatch(/chunked|evt_2|stray|injected|__proto__|169\.254|ours\.example/);
  });

  it('ignores a proxy that the environment names', async () => {
    const proxy = await receiving(respond('200 OK'));
    const receiver = await receiving(respond('204 No Content'));
    const { http, url } = sendingTo(receiver);
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => process.env[name]);
    for (const name of names)
      process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : `http://127.0.0.1:${proxy.port}`;

    const outcome = await http.post(url, { body: '{}' });

    names.forEach((name, i) => (before[i] === undefined ? delete process.env[name] : (process.env[name] = before[i])));
    expect(outcome).toMatchObject({ kind: 'answered', status: 204 });
    expect(proxy.connections).toBe(0);
  });
});

describe('a receiver that points elsewhere', () => {
  it.each([301, 302, 303, 307, 308])(
    'is not followed with %d, neither to a private address nor to itself',
    async (status) => {
      const canary = await receiving(respond('200 OK'));
      const locations = [`http://127.0.0.1:${canary.port}/`, '/elsewhere', 'http://169.254.169.254/latest/meta-data/'];
      for (const location of locations) {
        const receiver = await receiving(
          respond(`${status} Moved`, '', [`location: ${location}`, 'refresh: 0; url=/x']),
        );
        const { http, url } = sendingTo(receiver, { policy: allowing(receiver.port, canary.port) });

        const outcome = await http.post(url, { body: '{}' });

        expect(outcome).toMatchObject({ kind: 'answered', status });
        expect(receiver.requests).toHaveLength(1);
      }
      expect(canary.connections).toBe(0);
    },
  );
});

describe('a receiver that wastes our time', () => {
  it.each<[string, Answer]>([
    ['never answers', () => undefined],
    ['drips its body', (socket) => dripBody(socket, 'content-length: 1000')],
    ['drips a body without an end', (socket) => dripBody(socket, 'connection: close')],
    ['drips its headers', (socket) => socket.write('HTTP/1.1 200 OK\r\n') && keepWriting(socket, 'a', 50)],
  ])('is given up when it %s', async (_what, answer) => {
    const receiver = await receiving(answer);
    const { http, url } = sendingTo(receiver);

    const outcome = await http.post(url, { body: '{}' });

    expect(outcome).toMatchObject({ kind: 'failed', class: 'timeout' });
    expect(outcome.durationMs).toBeLessThan(1000);
  });

  it('does not keep others waiting when its connection is never accepted', async () => {
    const receiver = await receiving(respond('200 OK'));
    const { http, url } = sendingTo(receiver, { dialler: new SilentDialler() });

    const outcome = await http.post(url, { body: '{}' });

    expect(outcome).toMatchObject({ kind: 'failed', class: 'connect' });
    expect(outcome.durationMs).toBeLessThan(600);
  });

  it('holds up nobody else behind the same name and port', async () => {
    const receiver = await receiving(
      (socket, request) => request.includes('/quick') && respond('200 OK')(socket, request),
    );
    const { http, url } = sendingTo(receiver, { limits: { deadlineMs: 1500 } });
    const slow = Array.from({ length: 40 }, () => http.post(url, { body: '{}' }));

    const outcome = await http.post(url.replace('/hook', '/quick'), { body: '{}' });
    await http.close();

    expect(outcome).toMatchObject({ kind: 'answered', status: 200 });
    expect((await Promise.all(slow)).every(({ kind }) => kind === 'failed')).toBe(true);
  });

  it('does not get a request whose deadline has passed while it waited for a connection', async () => {
    const receiver = await receiving(() => undefined);
    const { http, url } = sendingTo(receiver, { limits: { connectionsPerOrigin: 1 } });

    const outcomes = await Promise.all([600, 100, 100].map((deadlineMs) => http.post(url, { body: '{}', deadlineMs })));
    await new Promise((resolve) => setTimeout(resolve, 100));

    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['failed', 'failed', 'failed']);
    expect(receiver.requests).toHaveLength(1);
  });
});

describe('a receiver that sends too much', () => {
  it('is cut off at 16 KiB of body, and its status counts', async () => {
    let written = 0;
    const receiver = await receiving((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');
      keepWriting(socket, 'x'.repeat(65_536));
      socket.on('close', () => (written = socket.bytesWritten));
    });
    const { http, url } = sendingTo(receiver);

    const outcome = await http.post(url, { body: '{}' });
    await new Promise((resolve) => setTimeout(resolve, 50));

    expect(outcome).toMatchObject({ kind: 'answered', status: 200, bytes: 16_384 });
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(20_000_000);
  });

  it('cannot make us inflate a bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    const receiver = await receiving((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      socket.write(bomb);
    });
    const { http, url } = sendingTo(receiver);

    const outcome = await http.post(url, { body: '{}' });

    expect(outcome).toMatchObject({ kind: 'answered', status: 200, bytes: bomb.length });
  });

  it.each<[string, Answer]>([
    ['a header block over 16 KiB', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`)],
    [
      'headers without end',
      (socket) => socket.write('HTTP/1.1 200 OK\r\n') && keepWriting(socket, `x-a: ${'a'.repeat(900)}\r\n`),
    ],
    ['early hints without end', (socket) => keepWriting(socket, 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')],
    ['100 Continue without end', (socket) => keepWriting(socket, 'HTTP/1.1 100 Continue\r\n\r\n')],
    [
      'an upgrade nobody asked for',
      (socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    ],
    ['no HTTP at all', (socket) => socket.write('SSH-2.0-OpenSSH_9.9\r\n')],
    ['two lengths', (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')],
    ['a body shorter than it said', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')],
    ['nothing but a closed connection', (socket) => socket.destroy()],
  ])('has failed when it sends %s', async (_what, answer) => {
    const receiver = await receiving(answer);
    const { http, url } = sendingTo(receiver);

    const outcome = await http.post(url, { body: '{}' });

    expect(outcome.kind).toBe('failed');
    expect(outcome).not.toMatchObject({ class: 'timeout' });
    expect(receiver.requests).toHaveLength(1);
  });

  it('may give one early hint', async () => {
    const receiver = await receiving((socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
    );
    const { http, url } = sendingTo(receiver);

    expect(await http.post(url, { body: '{}' })).toMatchObject({ kind: 'answered', status: 200 });
  });

  it('cannot smuggle a second answer to the next request', async () => {
    const receiver = await receiving((socket, request) =>
      socket.write(
        `HTTP/1.1 ${request.includes('"n":1') ? '200 OK' : '500 No'}\r\ncontent-length: 0\r\n\r\nHTTP/1.1 201 Forged\r\ncontent-length: 0\r\n\r\n`,
      ),
    );
    const { http, url } = sendingTo(receiver);

    const outcomes = [await http.post(url, { body: '{"n":1}' }), await http.post(url, { body: '{"n":2}' })];

    expect(outcomes).not.toContainEqual(expect.objectContaining({ status: 201 }));
  });
});

describe('the connection', () => {
  it('is cut when it has reached another address than the one that was checked', async () => {
    const receiver = await receiving(respond('200 OK'));
    const resolver = new FakeResolver({ 'hooks.example.com': ['1.1.1.1'] });
    const { http } = sendingTo(receiver, { resolver, dialler: new DetouringDialler(receiver.port) });

    const outcome = await http.post('https://hooks.example.com/', { body: '{}' });
    const probed = await http.tcpConnect('hooks.example.com', 443);

    expect(outcome).toMatchObject({ kind: 'refused', because: 'connected-elsewhere' });
    expect(probed).toMatchObject({ kind: 'refused', because: 'connected-elsewhere' });
    expect(receiver.requests).toEqual([]);
  });

  it('is not used again after the policy has changed, although the name itself is still welcome', async () => {
    const receiver = await receiving(respond('200 OK'));
    const policy = targetPolicy({ allowedHosts: `receiver.example.com,127.0.0.1:${receiver.port}` });
    const resolver = new FakeResolver({ 'receiver.example.com': ['127.0.0.1'] });
    const { guard, http } = sendingTo(receiver, { policy, resolver });
    const url = `http://receiver.example.com:${receiver.port}/`;
    for (let i = 0; i < 3; i += 1) await http.post(url, { body: '{}' });
    await new Promise((resolve) => setTimeout(resolve, 20));

    guard.usePolicy(targetPolicy({ allowedHosts: 'receiver.example.com' }));
    const refused = await http.post(url, { body: '{}' });
    guard.usePolicy(policy);
    const allowedAgain = await http.post(url, { body: '{}' });

    expect(refused).toMatchObject({ kind: 'refused', because: 'loopback-address' });
    expect(allowedAgain).toMatchObject({ kind: 'answered', status: 200 });
    expect(receiver.requests).toHaveLength(4);
  });

  it('is refused where nobody listens, and tried on the next address', async () => {
    const receiver = await receiving(respond('200 OK'));
    const policy = targetPolicy({ allowedHosts: `localhost:${receiver.port}` });
    const resolver = new FakeResolver({ localhost: ['::1', '127.0.0.1'] });
    const { http } = sendingTo(receiver, { policy, resolver });

    const reached = await http.post(`http://localhost:${receiver.port}/`, { body: '{}' });
    await receiver.close();
    await http.close();
    const gone = await http.post(`http://localhost:${receiver.port}/`, { body: '{}' });

    expect(reached).toMatchObject({ kind: 'answered', status: 200 });
    expect(gone).toMatchObject({ kind: 'failed', class: 'connect' });
  });

  it('can be tried without saying a word', async () => {
    const receiver = await receiving(respond('200 OK'));
    const { http } = sendingTo(receiver);

    const reached = await http.tcpConnect('127.0.0.1', receiver.port);

    expect(reached.kind).toBe('connected');
    expect(receiver.requests).toEqual([]);
  });
});

describe('TLS', () => {
  const yesterday = new Date(Date.now() - 86_400_000);
  const lastWeek = new Date(Date.now() - 7 * 86_400_000);

  async function deliver(
    names: readonly string[],
    options: { trusted: boolean; notBefore?: Date; notAfter?: Date; host?: string },
  ) {
    const { trusted, host = 'receiver.example.com', ...validity } = options;
    const certificate = selfSigned({ names, ...validity });
    const receiver = await receiving(respond('200 OK'), certificate);
    const policy = targetPolicy({ allowedHosts: `receiver.example.com,127.0.0.1:${receiver.port}` });
    const resolver = new FakeResolver({ 'receiver.example.com': ['127.0.0.1'] });
    const { http } = sendingTo(receiver, { policy, resolver, ...(trusted ? { ca: certificate.cert } : {}) });
    const outcome = await http.post(`https://${host}:${receiver.port}/`, { body: '{}' });
    return { outcome, receiver };
  }

  it('delivers when the certificate is trusted and names the host', async () => {
    const { outcome, receiver } = await deliver(['receiver.example.com'], { trusted: true });

    expect(outcome).toMatchObject({ kind: 'answered', status: 200 });
    expect(receiver.requests).toHaveLength(1);
  });

  it('delivers to an address when the certificate names the address', async () => {
    const { outcome } = await deliver(['127.0.0.1'], { trusted: true, host: '127.0.0.1' });

    expect(outcome).toMatchObject({ kind: 'answered', status: 200 });
  });

  it.each([
    ['nobody vouches for', ['receiver.example.com'], { trusted: false }],
    ['has expired', ['receiver.example.com'], { trusted: true, notBefore: lastWeek, notAfter: yesterday }],
    ['names another host', ['other.example.com'], { trusted: true }],
    ['names a private host', ['metadata.google.internal'], { trusted: true }],
    ['names only the address that was dialled', ['127.0.0.1'], { trusted: true }],
    ['names the host but not the address of the URL', ['receiver.example.com'], { trusted: true, host: '127.0.0.1' }],
  ])('sends nothing to a receiver whose certificate %s', async (_what, names, options) => {
    const { outcome, receiver } = await deliver(names, options);

    expect(outcome).toMatchObject({ kind: 'failed', class: 'tls' });
    expect(receiver.requests).toEqual([]);
  });

  it('gives up on a receiver that never shakes hands', async () => {
    const receiver = await receiving(() => undefined);
    const { http } = sendingTo(receiver);

    const outcome = await http.post(`https://127.0.0.1:${receiver.port}/`, { body: '{}' });

    expect(outcome).toMatchObject({ kind: 'failed', class: 'tls' });
    expect(outcome.durationMs).toBeLessThan(700);
  });
});

function dripBody(socket: Socket, header: string): void {
  socket.write(`HTTP/1.1 200 OK\r\n${header}\r\n\r\n`);
  keepWriting(socket, 'x', 50);
}

/** Stands for a host that drops every packet. */
class SilentDialler extends Dialler {
  dial(_address: string, _port: number, signal: AbortSignal): Promise<Socket> {
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('silence'))));
  }
}

/** Says that it dials what it was told, but ends up on 127.0.0.1, as a route or a translation table could make it. */
class DetouringDialler extends Dialler {
  constructor(private readonly realPort: number) {
    super();
  }

  dial(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.realPort });
      socket.once('connect', () => resolve(socket)).once('error', reject);
    });
  }
}
